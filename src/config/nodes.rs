//! The node map: the address of each node's etcd.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::clock::ProcessId;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::quote_without_secrets;

/// A node with an etcd member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The node's name: the value of `NODE_NAME` on that node.
    pub name: ProcessId,
    /// Where the node's etcd serves clients.
    pub address: Address,
}

/// The nodes of a deployment, in order.
///
/// Text form: `name=host[:port],name=host[:port],...`; host is a DNS name, an IPv4 address or an
/// IPv6 address in brackets; the port is etcd's client port, 2379 if none is given.
///
/// ```
/// # use lamport_clock::Nodes;
/// let nodes: Nodes = "a=10.0.0.1, b=etcd-b.internal:12379, c=[fd00::3]".parse()?;
/// let hosts: Vec<_> = nodes.iter().map(|node| node.address.to_string()).collect();
/// assert_eq!(hosts, ["10.0.0.1:2379", "etcd-b.internal:12379", "[fd00::3]:2379"]);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes(Vec<Node>);

impl Nodes {
    /// The three nodes that are deployed: `mx-nodel`, `mx-nodel2`, `mx-nodel3`.
    pub const BUILT_IN: &'static str =
        "mx-nodel=172.21.0.10,mx-nodel2=172.21.0.11,mx-nodel3=172.21.0.12";

    /// The empty map, for a store that is given without a map.
    pub(super) const NONE: Nodes = Nodes(Vec::new());

    /// The nodes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.0.iter()
    }

    /// The node called `name`. If there is none: [`ErrorKind::UnknownNode`], which lists the known nodes.
    ///
    /// ```
    /// # use lamport_clock::{ErrorKind, Nodes};
    /// let deployed = Nodes::default();
    /// assert_eq!(deployed.find("mx-nodel2")?.address.host(), "172.21.0.11");
    /// assert_eq!(deployed.find("mx-node2").unwrap_err().kind(), ErrorKind::UnknownNode);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn find(&self, name: &str) -> Result<&Node> {
        let found = self.iter().find(|node| node.name.as_str() == name);
        found.ok_or_else(|| {
            let name = quote_without_secrets(name);
            let message = format!("there is no node {name}: the known nodes are {self}");
            Error::new(ErrorKind::UnknownNode, message)
        })
    }

    /// The nodes' addresses: that of `name` first, then the others in the order of the map.
    ///
    /// ```
    /// # use lamport_clock::Nodes;
    /// let addresses = "a=10.0.0.1,b=10.0.0.2".parse::<Nodes>()?.own_first("b")?;
    /// assert_eq!(addresses[0].host(), "10.0.0.2");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn own_first(&self, name: &str) -> Result<Vec<Address>> {
        let own = self.find(name)?;
        let mut nodes: Vec<_> = self.iter().collect();
        // The sort is stable: the other nodes stay in order.
        nodes.sort_by_key(|node| node.name != own.name);
        let addresses = nodes.into_iter().map(|node| node.address.clone());
        Ok(addresses.collect())
    }

    /// Errors hold only the reason; `malformed` adds the text and the accepted form.
    fn parse(text: &str) -> Result<Nodes> {
        let mut nodes: Vec<Node> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let Some((name, address)) = part.split_once('=') else {
                let part = quote_without_secrets(part);
                return Err(Error::invalid(format!("{part} has no '='")));
            };
            let node = Node {
                name: ProcessId::new(name)?,
                address: address.parse()?,
            };
            if nodes.iter().any(|known| known.name == node.name) {
                let name = quote_without_secrets(name);
                return Err(Error::invalid(format!("{name} stands there twice")));
            }
            nodes.push(node);
        }
        Ok(Nodes(nodes))
    }
}

impl Default for Nodes {
    fn default() -> Nodes {
        Nodes::BUILT_IN.parse().expect("a test parses it")
    }
}

impl FromStr for Nodes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Nodes> {
        Nodes::parse(text).map_err(malformed(text, "a node map", "name=host[:port],..."))
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .iter()
            .map(|node| format!("{}={}", node.name, node.address));
        f.write_str(&shown.collect::<Vec<_>>().join(", "))
    }
}

/// The address at which an etcd member serves clients: `host:port`.
///
/// ```
/// # use lamport_clock::Address;
/// let address: Address = "etcd-0.internal".parse()?;
/// assert_eq!((address.host(), address.port()), ("etcd-0.internal", Address::DEFAULT_PORT));
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// etcd's port for clients.
    pub const DEFAULT_PORT: u16 = 2379;

    /// A DNS name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the address is this machine's own, so that data sent there crosses no network. True for a
    /// loopback address and for `localhost`, a name reserved for loopback (RFC 6761, section 6.3).
    ///
    /// ```
    /// # use lamport_clock::Address;
    /// assert!("localhost:2379".parse::<Address>()?.is_loopback());
    /// assert!(!"10.0.0.1".parse::<Address>()?.is_loopback());
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Errors hold only the reason; `malformed` adds the text and the accepted form.
    fn parse(text: &str) -> Result<Address> {
        let refused = |why| Err(Error::invalid(why));
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            // The colons in the brackets don't begin a port.
            let Some((inner, _)) = rest.split_once(']') else {
                return refused("the bracket does not close");
            };
            if inner.parse::<Ipv6Addr>().is_err() {
                return refused("no IPv6 address stands in the brackets");
            }
            text.split_at(inner.len() + 2)
        } else {
            text.split_at(text.find(':').unwrap_or(text.len()))
        };
        if host.is_empty() {
            return refused("the host is empty");
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !host.starts_with('[') && !host.chars().all(allowed) {
            return refused("the host holds a character that no host name has");
        }
        let port = match port.strip_prefix(':').map(str::parse::<NonZeroU16>) {
            Some(Ok(port)) => port.get(),
            Some(Err(_)) => return refused("the port is not a number from 1 to 65535"),
            None if port.is_empty() => Address::DEFAULT_PORT,
            None => return refused("something follows the bracket"),
        };
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address> {
        Address::parse(text).map_err(malformed(text, "an address", "host or host:port"))
    }
}

/// Completes the error for a malformed text: what the text should be, why it is not, and what is accepted.
pub(super) fn malformed(text: &str, should_be: &str, takes: &str) -> impl Fn(Error) -> Error {
    let what = format!("{} is not {should_be}", quote_without_secrets(text));
    move |why| Error::invalid(format!("{what}: {why}; it takes {takes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_map_is_the_deployed_one() {
        let nodes = Nodes::default();
        assert_eq!(
            nodes.to_string(),
            "mx-nodel=172.21.0.10:2379, mx-nodel2=172.21.0.11:2379, mx-nodel3=172.21.0.12:2379"
        );
        let addresses = nodes.own_first("mx-nodel2").unwrap();
        let hosts: Vec<_> = addresses.iter().map(Address::host).collect();
        assert_eq!(hosts, ["172.21.0.11", "172.21.0.10", "172.21.0.12"]);
    }

    #[test]
    fn an_unknown_node_is_told_the_known_ones() {
        let error = Nodes::default().find("mx-node1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownNode);
        assert!(
            error.to_string().contains("mx-nodel2=172.21.0.11"),
            "{error}"
        );
    }

    #[test]
    fn addresses_parse() {
        for (text, shown) in [
            ("h", "h:2379"),
            ("h:1", "h:1"),
            ("etcd-0.etcd.svc:65535", "etcd-0.etcd.svc:65535"),
            ("[::1]", "[::1]:2379"),
            ("[::1]:99", "[::1]:99"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn malformed_maps_are_refused_with_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "''"),
            ("a", "'a'"),
            ("a=", "empty"),
            ("=h", "empty"),
            ("a=h,", "''"),
            ("a=h,,b=i", "''"),
            ("a=h:0", "65535"),
            ("a=h:65536", "65535"),
            ("a=h:x", "65535"),
            ("a=h,a=i", "twice"),
            ("a b=h", "' '"),
            ("a=h i", "character"),
            ("a=http://h", "port"),
            ("a=[::1", "bracket"),
            ("a=[h]", "IPv6"),
        ] {
            let error = text.parse::<Nodes>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text:?}");
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
    }
}
