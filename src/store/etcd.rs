//! etcd as a store. The only file that names the etcd client.

use std::time::Duration;

use super::{Changes, Store, StoreFuture};
use crate::config::Config;
use crate::error::Result;
use crate::logic::transaction::{KeyRange, Reply, Transaction};
use crate::nodes::Address;

/// A record in etcd.
pub struct EtcdStore;

impl EtcdStore {
    /// A store on these members.
    pub fn new(_endpoints: &[Address], _config: &Config) -> Result<EtcdStore> {
        unimplemented!()
    }
}
impl Store for EtcdStore {
    fn transact<'a>(&'a self, _t: &'a Transaction, _w: Duration) -> StoreFuture<'a, Reply> {
        unimplemented!()
    }
    fn watch(&self, _r: KeyRange, _f: u64, _w: Duration) -> StoreFuture<'_, Box<dyn Changes>> {
        unimplemented!()
    }
    fn location(&self) -> String {
        unimplemented!()
    }
}
