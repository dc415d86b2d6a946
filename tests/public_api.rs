//! What users of the crate can name, with all features: a line for each name, in docs/api/rust.txt.
//!
//! It is read from the sources, since the compiler's own list (rustdoc's JSON) is for nightly compilers
//! and changes with each. What a macro writes would be missed; the library has none that do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Fields, Generics, ImplItem, Item, TraitItem, Type, UseTree, Visibility};

const LIST: &str = "docs/api/rust.txt";

#[test]
fn the_public_api_is_the_one_that_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let api = Crate::read(&root.join("src/lib.rs")).public_api();
    #[expect(
        clippy::disallowed_methods,
        reason = "an order to this test, no setting"
    )]
    let update = std::env::var_os("LAMPORT_UPDATE_API").is_some();
    if update {
        let lines: String = api.iter().map(|line| format!("{line}\n")).collect();
        fs::write(root.join(LIST), lines).unwrap();
    }
    let listed = fs::read_to_string(root.join(LIST)).unwrap();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let gone = listed.difference(&api).map(|line| format!("- {line}\n"));
    let new = api.difference(&listed).map(|line| format!("+ {line}\n"));
    let difference: String = gone.chain(new).collect();
    assert!(
        difference.is_empty(),
        "the public API is not what {LIST} says:\n{difference}\
         If users should see that, say it in CHANGELOG.md and take it into the list:\n\
         LAMPORT_UPDATE_API=1 cargo test --package lamport-clock --test public_api"
    );
}

#[test]
fn the_first_page_names_every_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let page = source.lines().filter(|line| line.starts_with("//!"));
    let page: String = page.collect();
    let mut seen = 0;
    for line in fs::read_to_string(root.join(LIST)).unwrap().lines() {
        let (path, item) = line.split_once(": ").unwrap();
        let name = path.strip_prefix("lamport_clock::").unwrap();
        let is_type = ["pub struct ", "pub enum ", "pub trait ", "pub type "]
            .iter()
            .any(|kind| {
                item.trim_start_matches("#[non_exhaustive] ")
                    .starts_with(kind)
            });
        // The module is one entry: few need its types, and they need all of them.
        if is_type && !name.starts_with("protocol::") {
            seen += 1;
            assert!(
                page.contains(&format!("[`{name}`]")),
                "src/lib.rs does not list {name}"
            );
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn the_list_knows_what_users_do() {
    let source = r"
        mod inner;
        mod values { #[derive(Clone)] pub struct Time(u64); }
        pub mod other { pub use crate::inner::Clock as Renamed; pub(crate) struct Private; }
        pub use inner::{Clock, Kind};
        pub use values::Time;
        #[doc(hidden)]
        pub fn hidden() {}
        struct Alone;
        impl Alone { pub fn nobody(&self) {} }
    ";
    let inner = r#"
        use super::values::Time as Moment;
        /// A clock.
        pub struct Clock { /// Its time.
            pub time: Moment, secret: u8 }
        impl Clock {
            pub const NAME: &'static str = "clock";
            pub async fn update<T: Into<Moment>>(&self, count: u64) -> Option<T> { None }
            #[doc(hidden)]
            pub fn for_tests(&self) {}
            fn own(&self) {}
        }
        impl From<u64> for Moment { fn from(time: u64) -> Moment { todo!() } }
        #[non_exhaustive]
        pub enum Kind { One, Two(u64), Three { at: u64 } }
        pub trait Unseen {}
    "#;
    let mut krate = Crate::default();
    krate.add(&[], syn::parse_file(source).unwrap().items);
    let inner = syn::parse_file(inner).unwrap().items;
    krate.add(&["inner".to_owned()], inner);
    let expected = [
        "Clock: pub async fn update<T: Into<Moment>>(&self, count: u64) -> Option<T>",
        "Clock: pub const NAME: &'static str",
        "Clock: pub struct Clock, private fields",
        "Clock: pub time: Moment",
        "Kind: #[non_exhaustive] pub enum Kind",
        "Kind: One",
        "Kind: Three { at: u64 }",
        "Kind: Two(u64)",
        "Time: impl Clone",
        "Time: impl From<u64> for Moment",
        "Time: pub struct Time, private fields",
        "other: pub mod other",
        "other::Renamed: the same as lamport_clock::Clock",
    ];
    let expected: BTreeSet<_> = expected
        .iter()
        .map(|line| format!("lamport_clock::{line}"))
        .collect();
    assert_eq!(krate.public_api(), expected);
}

type Names = Vec<String>;

/// A crate's items, by the path of the module they stand in.
#[derive(Default)]
struct Crate(BTreeMap<Names, Vec<Item>>);

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Module(Names),
    /// The module, and the name of the item in it.
    Item(Names, String),
}

impl Crate {
    fn read(file: &Path) -> Crate {
        let mut krate = Crate::default();
        krate.read_module(&[], file);
        krate
    }

    fn read_module(&mut self, module: &[String], file: &Path) {
        let text =
            fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = syn::parse_file(&text).unwrap().items;
        let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "mod") => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        for item in &items {
            if let Item::Mod(inner) = item
                && inner.content.is_none()
                && !is_test(&inner.attrs)
            {
                let name = inner.ident.to_string();
                let files = [
                    folder.join(format!("{name}.rs")),
                    folder.join(&name).join("mod.rs"),
                ];
                let file: &PathBuf = files.iter().find(|file| file.exists()).unwrap();
                self.read_module(&below(module, &name), file);
            }
        }
        self.add(module, items);
    }

    fn add(&mut self, module: &[String], items: Vec<Item>) {
        for item in &items {
            if let Item::Mod(inner) = item
                && let Some((_, content)) = &inner.content
                && !is_test(&inner.attrs)
            {
                self.add(&below(module, &inner.ident.to_string()), content.clone());
            }
        }
        self.0.insert(module.to_vec(), items);
    }

    /// What `name` means in a module.
    fn find(&self, module: &[String], name: &str) -> Option<Found> {
        if self.0.contains_key(&below(module, name)) {
            return Some(Found::Module(below(module, name)));
        }
        for item in &self.0[module] {
            if named(item).is_some_and(|own| own == name) {
                return Some(Found::Item(module.to_vec(), name.to_owned()));
            }
            if let Item::Use(item) = item {
                for (path, known_as) in uses(&item.tree) {
                    if known_as == name {
                        return self.resolve(module, &path);
                    }
                }
            }
        }
        None
    }

    /// What a path means in a module; `None` for what another crate has.
    fn resolve(&self, module: &[String], path: &[String]) -> Option<Found> {
        let mut here = Found::Module(module.to_vec());
        for name in path {
            let Found::Module(at) = &here else {
                return None;
            };
            here = match name.as_str() {
                "crate" => Found::Module(Vec::new()),
                "self" => here,
                "super" => Found::Module(at[..at.len() - 1].to_vec()),
                name => self.find(at, name)?,
            };
        }
        Some(here)
    }

    fn public_api(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        let mut shown: BTreeMap<Found, String> = BTreeMap::new();
        // A name is shown where it lies nearest to the root.
        let mut modules = vec![("lamport_clock".to_owned(), Vec::new())];
        let mut next = 0;
        while let Some((public, module)) = modules.get(next).cloned() {
            next += 1;
            for (name, found) in self.public_names(&module) {
                let full = format!("{public}::{name}");
                if let Some(first) = shown.get(&found) {
                    lines.insert(format!("{full}: the same as {first}"));
                    continue;
                }
                match &found {
                    Found::Module(module) => {
                        lines.insert(format!("{full}: pub mod {name}"));
                        modules.push((full.clone(), module.clone()));
                    }
                    Found::Item(module, name) => {
                        let items = self.0[module].iter();
                        let item = items.filter(|item| named(item).as_ref() == Some(name));
                        let told = item.flat_map(declared).chain(self.implemented(&found));
                        lines.extend(told.map(|line| format!("{full}: {line}")));
                    }
                }
                shown.insert(found, full);
            }
        }
        lines
    }

    /// The public names of a module, and what they are.
    fn public_names(&self, module: &[String]) -> Vec<(String, Found)> {
        let mut names = Vec::new();
        for item in &self.0[module] {
            let (visibility, attributes) = outside(item);
            if !matches!(visibility, Some(Visibility::Public(_))) || is_hidden(attributes) {
                continue;
            }
            if let Item::Use(item) = item {
                for (path, name) in uses(&item.tree) {
                    let found = self.resolve(module, &path);
                    let found = found.unwrap_or_else(|| panic!("{} is foreign", path.join("::")));
                    names.push((name, found));
                }
            } else if let Some(name) = named(item) {
                let found = self.find(module, &name).unwrap();
                names.push((name, found));
            }
        }
        names
    }

    /// What the impl blocks of a type say, wherever they stand.
    fn implemented(&self, of: &Found) -> Vec<String> {
        let mut lines = Vec::new();
        for (module, items) in &self.0 {
            for item in items {
                let Item::Impl(block) = item else { continue };
                let own = match &*block.self_ty {
                    Type::Reference(reference) => &reference.elem,
                    _ => &block.self_ty,
                };
                let Type::Path(own) = &**own else { continue };
                let path: Names = own
                    .path
                    .segments
                    .iter()
                    .map(|s| s.ident.to_string())
                    .collect();
                if is_test(&block.attrs) || self.resolve(module, &path).as_ref() != Some(of) {
                    continue;
                }
                if block.trait_.is_some() {
                    let mut block = block.clone();
                    block.items.clear();
                    block.attrs.clear();
                    lines.push(print(Item::Impl(block)));
                    continue;
                }
                for item in &block.items {
                    lines.extend(inherent(item));
                }
            }
        }
        lines
    }
}

/// What an item says of itself, without what is private to it.
fn declared(item: &Item) -> Vec<String> {
    let mut lines = Vec::new();
    let (_, attributes) = outside(item);
    let mut head = String::new();
    for attribute in attributes {
        if attribute.path().is_ident("non_exhaustive") {
            head = "#[non_exhaustive] ".to_owned();
        }
        if attribute.path().is_ident("derive") {
            let derived = attribute.parse_nested_meta(|meta| {
                let name = meta.path.segments.last().unwrap();
                lines.push(format!("impl {}", name.ident));
                Ok(())
            });
            derived.unwrap();
        }
    }
    match item.clone() {
        Item::Struct(item) => {
            let mut private = "";
            for (place, field) in item.fields.iter().enumerate() {
                if !matches!(field.vis, Visibility::Public(_)) {
                    private = ", private fields";
                    continue;
                }
                let name = field
                    .ident
                    .as_ref()
                    .map_or(place.to_string(), ToString::to_string);
                lines.push(format!("pub {name}: {}", print_type(&field.ty)));
            }
            let generics = print_generics(&item.generics);
            lines.push(format!(
                "{head}pub struct {}{generics}{private}",
                item.ident
            ));
        }
        Item::Enum(item) => {
            for variant in &item.variants {
                let fields: Vec<_> = variant
                    .fields
                    .iter()
                    .map(|field| {
                        let name = field.ident.as_ref().map(|name| format!("{name}: "));
                        format!("{}{}", name.unwrap_or_default(), print_type(&field.ty))
                    })
                    .collect();
                let fields = fields.join(", ");
                lines.push(match &variant.fields {
                    Fields::Named(_) => format!("{} {{ {fields} }}", variant.ident),
                    Fields::Unnamed(_) => format!("{}({fields})", variant.ident),
                    Fields::Unit => variant.ident.to_string(),
                });
            }
            let generics = print_generics(&item.generics);
            lines.push(format!("{head}pub enum {}{generics}", item.ident));
        }
        Item::Trait(mut item) => {
            for inner in std::mem::take(&mut item.items) {
                let TraitItem::Fn(method) = inner else {
                    panic!(
                        "{} has what is no method: teach it to this test",
                        item.ident
                    )
                };
                let provided = if method.default.is_some() {
                    ", provided"
                } else {
                    ""
                };
                lines.push(print_fn(Visibility::Inherited, method.sig) + provided);
            }
            item.attrs.clear();
            lines.push(print(Item::Trait(item)));
        }
        Item::Fn(item) => lines.push(print_fn(item.vis, item.sig)),
        Item::Const(item) => lines.push(format!(
            "pub const {}: {}",
            item.ident,
            print_type(&item.ty)
        )),
        Item::Type(mut item) => {
            item.attrs.clear();
            lines.push(print(Item::Type(item)));
        }
        item => panic!("teach this test what to say of {}", print(item)),
    }
    lines
}

/// What an item of an impl block gives to users, if it does.
fn inherent(item: &ImplItem) -> Option<String> {
    match item {
        ImplItem::Fn(method) if is_public(&method.vis, &method.attrs) => {
            Some(print_fn(method.vis.clone(), method.sig.clone()))
        }
        ImplItem::Const(constant) if is_public(&constant.vis, &constant.attrs) => {
            let name = &constant.ident;
            Some(format!("pub const {name}: {}", print_type(&constant.ty)))
        }
        _ => None,
    }
}

fn is_public(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes)
}

fn named(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Mod(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Who may see an item, and what is said of it.
fn outside(item: &Item) -> (Option<&Visibility>, &[Attribute]) {
    match item {
        Item::Const(item) => (Some(&item.vis), &item.attrs),
        Item::Enum(item) => (Some(&item.vis), &item.attrs),
        Item::Fn(item) => (Some(&item.vis), &item.attrs),
        Item::Mod(item) => (Some(&item.vis), &item.attrs),
        Item::Struct(item) => (Some(&item.vis), &item.attrs),
        Item::Trait(item) => (Some(&item.vis), &item.attrs),
        Item::Type(item) => (Some(&item.vis), &item.attrs),
        Item::Use(item) => (Some(&item.vis), &item.attrs),
        _ => (None, &[]),
    }
}

/// The paths that a `use` names, and the name that each has from then on.
fn uses(tree: &UseTree) -> Vec<(Names, String)> {
    match tree {
        UseTree::Path(path) => {
            let name = path.ident.to_string();
            let mut found = uses(&path.tree);
            for (below, known_as) in &mut found {
                below.insert(0, name.clone());
                if known_as == "self" {
                    known_as.clone_from(&name);
                }
            }
            found
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Group(group) => group.items.iter().flat_map(uses).collect(),
        UseTree::Glob(_) => Vec::new(),
    }
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    has(attributes, "doc", "hidden")
}

fn is_test(attributes: &[Attribute]) -> bool {
    has(attributes, "cfg", "test")
}

fn has(attributes: &[Attribute], name: &str, word: &str) -> bool {
    attributes.iter().any(|attribute| {
        let inside = attribute.parse_args::<syn::Ident>();
        attribute.path().is_ident(name) && inside.is_ok_and(|inside| inside == word)
    })
}

fn below(module: &[String], name: &str) -> Names {
    [module, &[name.to_owned()]].concat()
}

fn print_fn(vis: Visibility, sig: syn::Signature) -> String {
    print(Item::Fn(syn::ItemFn {
        attrs: Vec::new(),
        vis,
        sig,
        block: syn::parse_quote!({}),
    }))
}

fn print_type(ty: &Type) -> String {
    let alias = print(syn::parse_quote!(type T = #ty;));
    alias.trim_start_matches("type T = ").to_owned()
}

fn print_generics(generics: &Generics) -> String {
    let alias = print(syn::parse_quote!(type T #generics = ();));
    alias
        .trim_start_matches("type T")
        .trim_end_matches(" = ()")
        .to_owned()
}

/// An item in one line, without its body.
fn print(item: Item) -> String {
    let file = syn::File {
        shebang: None,
        attrs: Vec::new(),
        items: vec![item],
    };
    let text = prettyplease::unparse(&file);
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ").replace("( ", "(").replace(", )", ")");
    let line = line.trim_end_matches(';').trim_end_matches("{}");
    line.trim_end().to_owned()
}
