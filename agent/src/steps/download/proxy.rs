//! The proxies that the agent's environment names, as other programs read it: `http_proxy`, `https_proxy`, `all_proxy` and
//! `no_proxy`, in small or capital letters.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// Of the head of a proxy's answer.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Which requests go through which proxy. Clones are cheap enough for one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Hosts that are asked directly.
    direct: Vec<String>,
}

/// One proxy, spoken to without TLS.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    login: Option<String>,
}

impl fmt::Debug for Proxy {
    /// Without its login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxies {
    #[must_use]
    pub fn of_environment() -> Self {
        Self::read(&|name| std::env::var(name).ok())
    }

    /// One proxy for everything.
    #[cfg(test)]
    pub(super) fn for_all(proxy: &str) -> Self {
        Self::read(&|name| (name == "all_proxy").then(|| proxy.to_owned()))
    }

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let small = variable(name).filter(|text| !text.trim().is_empty());
            small.or_else(|| variable(&name.to_uppercase()).filter(|text| !text.trim().is_empty()))
        };
        let all = either("all_proxy");
        let proxy = |name: &str| {
            let text = either(name).or_else(|| all.clone())?;
            let proxy = Proxy::parse(&text);
            if proxy.is_none() {
                tracing::warn!("the proxy in {name} cannot be used: write it as http://HOST:PORT");
            }
            proxy
        };
        let direct = either("no_proxy").unwrap_or_default();
        let direct = direct.split(',').map(|host| host.trim().to_lowercase()).filter(|host| !host.is_empty());
        Self { http: proxy("http_proxy"), https: proxy("https_proxy"), direct: direct.collect() }
    }

    /// The proxy for a host; none when it is asked directly.
    pub(super) fn of(&self, is_https: bool, host: &str) -> Option<&Proxy> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        let covers = |name: &String| {
            let name = name.trim_start_matches("*.").trim_start_matches('.');
            name == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        };
        if self.direct.iter().any(covers) {
            return None;
        }
        if is_https { self.https.as_ref() } else { self.http.as_ref() }
    }
}

impl Proxy {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).ok().filter(|url| url.scheme() == "http")?;
        let login = (!url.username().is_empty()).then(|| {
            let user = percent_decoded(url.username());
            let password = percent_decoded(url.password().unwrap_or_default());
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        });
        Some(Self { host: url.host_str()?.to_owned(), port: url.port_or_known_default()?, login })
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Asks for a way through to `host`; what is said on it then is between the two ends.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), String> {
        let login = self.login().map(|login| format!("Proxy-Authorization: {login}\r\n")).unwrap_or_default();
        let ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n");
        let broken = |error: std::io::Error| format!("the proxy {} broke off: {error}", self.host);
        stream.write_all(ask.as_bytes()).await.map_err(broken)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > MAX_HEAD_BYTES {
                return Err(format!("the proxy {} answered with too long a head", self.host));
            }
            head.push(stream.read_u8().await.map_err(broken)?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.lines().next().unwrap_or_default();
        let code = status.split_whitespace().nth(1).unwrap_or_default();
        if code.len() == 3 && code.starts_with('2') {
            return Ok(());
        }
        Err(format!("the proxy {} answered `{}`", self.host, status.escape_debug()))
    }
}

/// Logins in a URL are written that way.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|_| first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Proxies::read(&|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn shown(proxies: &Proxies, is_https: bool, host: &str) -> Option<String> {
        proxies.of(is_https, host).map(|proxy| format!("{}:{}", proxy.host, proxy.port))
    }

    #[test]
    fn the_environment_is_read_as_others_read_it() {
        let small = proxies(&[("https_proxy", "http://p:3128"), ("HTTPS_PROXY", "http://other:1")]);
        assert_eq!(shown(&small, true, "host").as_deref(), Some("p:3128"));
        assert_eq!(shown(&small, false, "host"), None);
        let all = proxies(&[("ALL_PROXY", "proxy.example:8080"), ("http_proxy", "http://p")]);
        assert_eq!(shown(&all, true, "host").as_deref(), Some("proxy.example:8080"));
        assert_eq!(shown(&all, false, "host").as_deref(), Some("p:80"));
        for unusable in ["socks5://p:1080", "https://p", "http://", ""] {
            assert_eq!(shown(&proxies(&[("https_proxy", unusable)]), true, "host"), None, "{unusable}");
        }
    }

    #[test]
    fn some_hosts_are_asked_directly() {
        let none = "localhost, .example.com,*.example.org,10.0.0.1,::1";
        let proxies = proxies(&[("all_proxy", "http://p:1"), ("no_proxy", none)]);
        for (host, direct) in [
            ("localhost", true),
            ("example.com", true),
            ("www.example.com", true),
            ("WWW.Example.Org", true),
            ("notexample.com", false),
            ("10.0.0.1", true),
            ("10.0.0.10", false),
            ("[::1]", true),
            ("elsewhere", false),
        ] {
            assert_eq!(proxies.of(true, host).is_none(), direct, "{host}");
        }
        let nobody = super::tests::proxies(&[("all_proxy", "http://p:1"), ("NO_PROXY", "*")]);
        assert_eq!(nobody.of(true, "anybody"), None);
    }

    #[test]
    fn a_login_is_sent_and_never_shown() {
        let proxy = Proxy::parse("http://ada:p%40ss@p:3128").unwrap();
        assert_eq!(proxy.login(), Some(format!("Basic {}", STANDARD.encode("ada:p@ss")).as_str()));
        assert_eq!(format!("{proxy:?}"), "Proxy(p:3128)");
    }
}
