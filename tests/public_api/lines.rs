//! What an item says of itself, in lines.

use syn::{Attribute, Fields, Generics, ImplItem, Item, TraitItem, Type, Visibility};

use super::names::{is_hidden, outside};

/// What an item says of itself, without what is private to it.
pub(crate) fn declared(item: &Item) -> Vec<String> {
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
pub(crate) fn inherent(item: &ImplItem) -> Option<String> {
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
pub(crate) fn print(item: Item) -> String {
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
