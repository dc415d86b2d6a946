//! `lamport diagram`.

use std::fs;

use super::command::run;
use super::logs::{ALL, API, Logs, run_all};
use super::refused;

#[test]
fn a_diagram_is_one_page_and_none_of_its_inputs() {
    let logs = Logs::shop();
    let page = logs.path("shop.html");
    let title = "<b>Tea & cups</b>";
    let arguments = logs.arguments(&["diagram", "-o", &page, "--title", title], &ALL);
    let ended = run_all(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert!(ended.complaint().contains("6 events of 3 processes in"));
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("<!doctype html>") && text.contains("&lt;b&gt;Tea &amp; cups"));
    assert!(!text.contains("http://") && !text.contains("https://"));
    let api = logs.path("api.log");
    refused(
        &run(&["diagram", &api, "-o", &api]),
        2,
        &["one of the logs"],
    );
    assert_eq!(fs::read_to_string(&api).unwrap(), API);
    let nowhere = run(&["diagram", &api, "-o", "/nowhere/x.html"]);
    refused(&nowhere, 2, &["/nowhere/x.html", "can't be written"]);
}
