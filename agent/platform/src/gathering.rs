//! What both systems gather in the same way: interfaces through `sysinfo`, and moments as inventory writes them.

use std::io;
use std::net::IpAddr;

use sysinfo::Networks;

use crate::HostError;
use crate::inventory::{Item, item};

/// What a system knows of an interface beyond its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    /// Gateways of this interface.
    pub(crate) gateways: Vec<String>,
    /// Name servers of this interface, or of the host.
    pub(crate) name_servers: Vec<String>,
    pub(crate) dhcp_server: String,
}

/// One item for each interface that is not loopback, in the order of their names. Addresses of one kind stand in one
/// attribute, separated by commas, and the masks in the order of the addresses.
pub(crate) fn interfaces(routes: impl Fn(&str) -> Routes) -> Result<Vec<Item>, HostError> {
    let networks = Networks::new_with_refreshed_list();
    let networks = networks.map_err(|error| {
        HostError::io(|| "list the network interfaces".to_owned())(io::Error::other(error.to_string()))
    })?;
    let mut items: Vec<Item> = networks
        .iter()
        .filter_map(|(name, data)| {
            let name = &*name.to_string_lossy();
            let mut addresses: Vec<(IpAddr, u8)> =
                data.ip_networks().iter().map(|network| (network.addr, network.prefix)).collect();
            addresses.sort();
            addresses.dedup();
            let is_loopback = addresses.iter().any(|(address, _)| address.is_loopback());
            if is_loopback || name == "lo" {
                return None;
            }
            let mac = data.mac_address();
            let mac = if mac.is_unspecified() { String::new() } else { mac.to_string() };
            Some(interface(name, &mac, &addresses, &routes(name)))
        })
        .collect();
    items.sort();
    Ok(items)
}

fn interface(name: &str, mac: &str, addresses: &[(IpAddr, u8)], routes: &Routes) -> Item {
    let of_kind = |wanted: fn(&IpAddr) -> bool| {
        let kind = addresses.iter().filter(|(address, _)| wanted(address));
        kind.map(|(address, _)| address.to_string()).collect::<Vec<_>>().join(",")
    };
    let masks: Vec<_> = addresses
        .iter()
        .filter(|(address, _)| address.is_ipv4())
        .map(|(_, prefix)| {
            let bits = u32::MAX.checked_shl(32 - u32::from(*prefix).min(32)).unwrap_or(0);
            std::net::Ipv4Addr::from(bits).to_string()
        })
        .collect();
    item([
        ("Name", name),
        ("SubnetMask", &masks.join(",")),
        ("Gateway", &routes.gateways.join(",")),
        ("DHCPServer", &routes.dhcp_server),
        ("DNSServer", &routes.name_servers.join(",")),
        ("MacAddress", mac),
        ("IPV4", &of_kind(IpAddr::is_ipv4)),
        ("IPV6", &of_kind(IpAddr::is_ipv6)),
    ])
}

/// Seconds since 1970 as `2026-01-31T08:15:00Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The date of the Gregorian calendar that is so many days after 1970-01-01. Years begin in March here, so that the
/// day that some have more comes last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_790_000_000, "2026-09-21T14:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn an_interface_has_all_its_addresses() {
        let addresses = [
            ("192.0.2.7".parse().unwrap(), 24),
            ("198.51.100.1".parse().unwrap(), 32),
            ("203.0.113.1".parse().unwrap(), 0),
            ("fe80::1".parse().unwrap(), 64),
        ];
        let routes = Routes { gateways: vec!["192.0.2.1".into()], ..Routes::default() };
        let told = interface("eth0", "02:00:00:00:00:01", &addresses, &routes);
        let expected = item([
            ("Name", "eth0"),
            ("MacAddress", "02:00:00:00:00:01"),
            ("IPV4", "192.0.2.7,198.51.100.1,203.0.113.1"),
            ("SubnetMask", "255.255.255.0,255.255.255.255,0.0.0.0"),
            ("IPV6", "fe80::1"),
            ("Gateway", "192.0.2.1"),
        ]);
        assert_eq!(told, expected);
    }
}
