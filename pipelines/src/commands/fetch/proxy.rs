//! The proxy that the environment asks for, by the variables that curl and others read.

use anyhow::{Context, Result};
use ureq::Proxy;

/// The proxy for requests to `endpoint`: of `https_proxy` or `http_proxy`, as its scheme is, or else `all_proxy`; what
/// `no_proxy` names goes without. Each may be written in upper case, and counts as unset where it is empty.
pub(super) fn proxy(endpoint: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>> {
    let find = |name: &str| {
        let names = [name.to_owned(), name.to_ascii_uppercase()];
        names.into_iter().find_map(|name| Some((variable(&name).filter(|value| !value.is_empty())?, name)))
    };
    let own = if endpoint.starts_with("https:") { "https_proxy" } else { "http_proxy" };
    let Some((url, name)) = find(own).or_else(|| find("all_proxy")) else { return Ok(None) };
    let read = |url: &str| -> Result<Proxy, ureq::Error> {
        let given = Proxy::new(url)?;
        let mut proxy = Proxy::builder(given.protocol())
            .host(given.host())
            .port(given.port())
            .resolve_target(given.resolve_target());
        if let Some(username) = given.username() {
            proxy = proxy.username(username);
        }
        if let Some(password) = given.password() {
            proxy = proxy.password(password);
        }
        let (without, _) = find("no_proxy").unwrap_or_default();
        without.split(',').map(str::trim).fold(proxy, |proxy, host| proxy.no_proxy(host)).build()
    };
    let proxy = read(&url).with_context(|| format!("{name}: expected the address of a proxy"))?;
    Ok(Some(proxy))
}

#[cfg(test)]
mod tests {
    use ureq::ProxyProtocol;

    use super::*;

    /// Where requests to `endpoint` go with these variables: scheme, host, port.
    fn way(endpoint: &str, set: &[(&str, &str)]) -> Result<Option<(ProxyProtocol, String, u16)>> {
        let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let proxy = proxy(endpoint, variable)?;
        let without = |proxy: &Proxy| proxy.is_no_proxy(&endpoint.parse().unwrap());
        let proxy = proxy.filter(|proxy| !without(proxy));
        Ok(proxy.map(|proxy| (proxy.protocol(), proxy.host().to_owned(), proxy.port())))
    }

    #[test]
    fn the_variable_of_the_scheme_comes_before_that_of_all() {
        let hub = "https://hub.example/";
        let http = |host: &str, port| Some((ProxyProtocol::Http, host.to_owned(), port));
        let socks = Some((ProxyProtocol::Socks5, "s".to_owned(), 1080));
        let all = ("all_proxy", "socks5://s");
        let own = ("https_proxy", "http://p:3128");
        assert_eq!(way(hub, &[]).unwrap(), None);
        assert_eq!(way(hub, &[all]).unwrap(), socks);
        assert_eq!(way(hub, &[all, own]).unwrap(), http("p", 3128));
        assert_eq!(way(hub, &[all, ("HTTPS_PROXY", "q:8080")]).unwrap(), http("q", 8080));
        assert_eq!(way(hub, &[all, ("https_proxy", "")]).unwrap(), socks);
        assert_eq!(way("http://mirror/", &[own]).unwrap(), None);
        assert_eq!(way("http://mirror/", &[own, ("http_proxy", "http://m")]).unwrap(), http("m", 80));
    }

    #[test]
    fn hosts_that_need_no_proxy_may_have_spaces_between_them() {
        let set = [("https_proxy", "http://p"), ("NO_PROXY", "localhost, .example ,x")];
        assert_eq!(way("https://hub.example/", &set).unwrap(), None);
        assert!(way("https://hub.other/", &set).unwrap().is_some());
    }

    #[test]
    fn a_proxy_keeps_its_user_and_one_that_is_none_is_named() {
        let with = proxy("https://h", |name| (name == "https_proxy").then(|| "http://a:b@p:1".to_owned()));
        let with = with.unwrap().unwrap();
        assert_eq!((with.username(), with.password()), (Some("a"), Some("b")));
        let message = format!("{:#}", way("https://h", &[("ALL_PROXY", "gopher://p")]).unwrap_err());
        assert!(message.starts_with("ALL_PROXY: expected the address of a proxy"), "{message}");
    }
}
