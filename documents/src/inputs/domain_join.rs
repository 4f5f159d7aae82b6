//! `aws:domainJoin` (reference, section 2.12).

use super::fields::Fields;
use crate::problems::shown;

/// What a shell gives a meaning to, and a name in a directory never has.
const SHELL: &str = "$`;&|<>\"'(){}[]*?!#\\~";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainJoin {
    pub directory_id: String,
    pub directory_name: String,
    /// For example `OU=Servers,DC=example,DC=com`.
    pub directory_ou: Option<String>,
    pub dns_ip_addresses: Vec<String>,
    pub host_name: Option<String>,
    /// Linux only: how many digits are appended to the host's name.
    pub host_name_digits: Option<u64>,
    /// Linux only: the host keeps its name.
    pub keep_host_name: bool,
}

pub(super) fn read(fields: &mut Fields<'_>) -> Option<DomainJoin> {
    let directory_id = fields.required_plain_text("directoryId", SHELL);
    let directory_name = fields.required_plain_text("directoryName", SHELL);
    let directory_ou = fields.plain_text("directoryOU", SHELL);
    let dns_ip_addresses = addresses(fields);
    let host_name = fields.plain_text("hostName", SHELL);
    let host_name_digits = fields.number("hostNameNumAppendDigits", 1);
    let keep_host_name = fields.flag("keepHostName").unwrap_or_default();
    Some(DomainJoin {
        directory_id: directory_id?,
        directory_name: directory_name?,
        directory_ou,
        dns_ip_addresses: dns_ip_addresses?,
        host_name,
        host_name_digits,
        keep_host_name,
    })
}

/// Addresses stand in a list; in a text they are separated by commas.
fn addresses(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let key = "dnsIpAddresses";
    let addresses: Vec<String> = fields
        .texts(key)?
        .iter()
        .flat_map(|text| text.split(','))
        .map(|address| address.trim().to_owned())
        .filter(|address| !address.is_empty())
        .collect();
    for address in addresses.iter().filter(|address| address.parse::<std::net::IpAddr>().is_err()) {
        fields.wrong(key, format!("`{}` is no address", shown(address)), "write addresses such as 10.0.0.2");
    }
    Some(addresses)
}
