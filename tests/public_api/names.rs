//! The names of a crate, and where each leads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Type, UseTree, Visibility};

use super::lines::{declared, inherent, print};

type Names = Vec<String>;

/// A crate's items, by the path of the module they stand in.
#[derive(Default)]
pub(crate) struct Crate(BTreeMap<Names, Vec<Item>>);

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Module(Names),
    /// The module, and the name of the item in it.
    Item(Names, String),
}

impl Crate {
    pub(crate) fn read(file: &Path) -> Crate {
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

    pub(crate) fn add(&mut self, module: &[String], items: Vec<Item>) {
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

    pub(crate) fn public_api(&self) -> BTreeSet<String> {
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
pub(crate) fn outside(item: &Item) -> (Option<&Visibility>, &[Attribute]) {
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

pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
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
