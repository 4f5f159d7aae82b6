//! Metrics and health of a real controller, asked for as monitoring does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::programs::until;
use crate::site::{PATIENCE, Site, free_address};

/// An answer over HTTP/1.1 without TLS: its status line and its body.
fn get(address: SocketAddr, path: &str) -> Result<(String, String), String> {
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: controller\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| text.clone())?;
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

fn configure(site: &mut Site, more: &str) {
    site.kill_controller();
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), format!("{config}\n{more}")).unwrap();
    site.start_controller();
}

#[test]
fn whoever_reaches_the_address_for_monitoring_reads_it() {
    let mut site = Site::start();
    let address = free_address();
    configure(&mut site, &format!("[metrics]\nlisten = \"{address}\"\n"));
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(address, path).unwrap(), ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()), "{path}");
    }
    let (status, verbose) = get(address, "/readyz?verbose").unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    for part in ["store: ok: ", "disk: ok: ", "blobs: ok: ", "certificate: ok: ", "reconciler: ok: "] {
        assert!(verbose.contains(part), "{verbose}");
    }
    let (status, page) = get(address, "/metrics").unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(page.contains("\nfleetwright_connected_nodes 0\n"), "{page}");
    assert!(page.contains("\nfleetwright_ready{part=\"store\"} 1\n"), "{page}");
    assert_eq!(get(address, "/").unwrap().0, "HTTP/1.1 404 Not Found");
    assert_eq!(
        get(address, "/fleetwright.control.v1.Controller/GetStatus").unwrap().0,
        "HTTP/1.1 404 Not Found"
    );
}

#[test]
fn whatever_lies_in_the_data_folder_has_a_limit_that_status_shows() {
    let site = Site::start();
    let status = site.types(&["status", "-o", "json"]).expect_code(0).json();
    let usage = status["usage"].as_array().unwrap();
    for entry in std::fs::read_dir(site.data()).unwrap() {
        let name = format!("folder {}", entry.unwrap().file_name().to_str().unwrap());
        let row = usage.iter().find(|row| row["name"] == name.as_str());
        let row = row.unwrap_or_else(|| panic!("`{name}` has no line in folders.rs"));
        assert!(row["used"].as_u64() < row["limit"].as_u64(), "{row}");
    }
}

#[test]
fn the_one_port_answers_anyone_about_health_and_operators_about_the_rest() {
    let site = Site::start();
    let curl = |path: &str, more: &[&Path]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--write-out", "%{http_code}", "--cacert"]);
        command.arg(&site.operator.authority);
        if let [certificate, key] = more {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let output = command.arg(format!("https://{}{path}", site.operator.address)).output();
        let output = output.expect("curl is needed for this test: install it");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl("/livez", &[]), "ok\n200");
    assert_eq!(curl("/readyz", &[]), "ok\n200");
    let refused = curl("/metrics", &[]);
    assert!(refused.contains("set metrics.listen") && refused.ends_with("403"), "{refused}");
    let page = curl("/metrics", &[&site.operator.certificate, &site.operator.key]);
    assert!(
        page.contains("# TYPE fleetwright_streams_opened_total counter\n") && page.ends_with("200"),
        "{page}"
    );
}

/// Needs no mount: the reserve is set to more than this disk has free.
#[test]
fn a_controller_without_room_says_so_and_refuses_new_work() {
    let mut site = Site::start();
    let address = free_address();
    let free = rustix::fs::statvfs(site.path()).map(|disk| disk.f_bavail * disk.f_frsize).unwrap();
    // A quarter of the reserve is what the store keeps for itself: that much is free.
    let reserve_mib = (free >> 20) * 2;
    configure(
        &mut site,
        &format!("[disk]\nreserve = \"{reserve_mib}MiB\"\n[metrics]\nlisten = \"{address}\"\n"),
    );
    let (status, body) = get(address, "/readyz").unwrap();
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("disk: FAILED: the controller's disk is full: "), "{body}");
    assert!(body.contains("store: ok"), "{body}");
    assert_eq!(get(address, "/livez").unwrap().1, "ok\n");
    let refused = site.types(&["activation", "create"]).expect_code(3);
    assert!(refused.stderr.contains("the controller's disk is full: "), "{refused:?}");
    assert!(refused.stderr.contains("lower disk.reserve"), "{refused:?}");
    site.types(&["status"]).expect_code(0);
    let (_, page) = get(address, "/metrics").unwrap();
    assert!(page.contains("fleetwright_work_refused_total{work=\"activation\"} 1\n"), "{page}");
    assert!(page.contains("fleetwright_ready{part=\"disk\"} 0\n"), "{page}");
}

/// A small disk of its own, which is filled to the last byte and emptied again. Only root may mount one.
#[test]
fn a_disk_that_is_filled_to_the_last_byte_passes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path()) else { return };
    let mut site = Site::start();
    site.kill_controller();
    let address = free_address();
    let config = std::fs::read_to_string(site.config()).unwrap();
    let config =
        config.replace(&site.data().display().to_string(), &disk.path.join("data").display().to_string());
    std::fs::write(
        site.config(),
        format!("{config}\n[disk]\nreserve = \"32MiB\"\n[metrics]\nlisten = \"{address}\"\n"),
    )
    .unwrap();
    site.start_controller();
    assert_eq!(get(address, "/readyz").unwrap().1, "ok\n");
    let filler = disk.path.join("filler");
    disk.fill(&filler);
    let (status, body) = get(address, "/readyz").unwrap();
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("store: FAILED: ") && body.contains("disk: FAILED: "), "{body}");
    assert_eq!(get(address, "/livez").unwrap().1, "ok\n");
    std::fs::remove_file(&filler).unwrap();
    until("ready again", Duration::from_secs(10), || match get(address, "/readyz")? {
        (_, body) if body == "ok\n" => Ok(()),
        (_, body) => Err(body),
    });
    site.kill_controller();
}

/// Unmounted when it is dropped.
struct SmallDisk {
    path: std::path::PathBuf,
}

impl SmallDisk {
    /// None, said aloud, where this user may not mount.
    fn mount(below: &Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(below).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { path: below.to_owned() }),
            other => {
                println!("NOT RUN: a small disk cannot be mounted, which takes root: {other:?}");
                None
            }
        }
    }

    fn fill(&self, file: &Path) {
        let mut file = std::fs::File::create(file).unwrap();
        let piece = vec![1; 64 * 1024];
        while file.write_all(&piece).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.path.display());
    }
}
