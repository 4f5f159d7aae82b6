//! The way from programs of this host to the agent: a socket in the file system, or a named pipe on Windows.
//!
//! Whoever may not connect is kept away by the system: the agent's own account and root may always, and one group of
//! accounts when it is named. Knows nothing of what is said on it.

use std::path::{Path, PathBuf};

use crate::HostError;

#[cfg(unix)]
pub use unix::{LocalListener, LocalStream, connect};
#[cfg(windows)]
pub use windows::{LocalListener, LocalStream, connect};

/// Who may connect beside the agent's account and root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Audience {
    #[default]
    Nobody,
    /// The members of a group, by its name or number.
    Group(String),
}

/// Who is at the other end, as far as the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The number of the account.
    pub user: Option<u32>,
    /// The process that connected.
    pub process: Option<i32>,
}

/// Where the agent with this state folder listens; `is_system` for the one that is the system's.
#[must_use]
pub fn address(state: &Path, is_system: bool) -> PathBuf {
    #[cfg(unix)]
    return if is_system {
        Path::new("/run/fleetwright-agent").join("parameters.sock")
    } else {
        state.join("parameters.sock")
    };
    #[cfg(windows)]
    return if is_system {
        PathBuf::from(r"\\.\pipe\fleetwright-agent-parameters")
    } else {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = state.to_string_lossy().chars().map(plain).collect();
        PathBuf::from(format!(r"\\.\pipe\fleetwright-agent-parameters-{name}"))
    };
}

/// Where the token of the agent with this state folder lies, for programs that ask it on 127.0.0.1.
#[must_use]
pub fn token_file(state: &Path, is_system: bool) -> PathBuf {
    #[cfg(unix)]
    return address(state, is_system).with_extension("token");
    #[cfg(windows)]
    {
        let _ = is_system;
        state.join("parameters.token")
    }
}

/// Listens at an address. What an agent before this one left there is taken away.
///
/// # Errors
/// When the address cannot be used, or the audience is none that this host knows.
pub fn listen(address: &Path, audience: &Audience) -> Result<LocalListener, HostError> {
    LocalListener::bind(address, audience)
}

/// Lets the audience read a file that the agent has made. On Windows a file is read by whom its folder says.
///
/// # Errors
/// When the group is none that this host knows, or the file cannot be changed.
pub fn open_to(path: &Path, audience: &Audience) -> Result<(), HostError> {
    #[cfg(unix)]
    return unix::open_to(path, audience, 0o640);
    #[cfg(windows)]
    {
        let _ = (path, audience);
        Ok(())
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, DirBuilder, Permissions};
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, chown};
    use std::path::Path;

    use tokio::net::{UnixListener, UnixStream};

    use super::{Audience, Peer};
    use crate::HostError;

    /// What a socket's address has room for.
    const PATH_MAX_BYTES: usize = 107;
    const GROUPS: &str = "/etc/group";

    /// A connection.
    pub type LocalStream = UnixStream;

    /// See the parent module.
    #[derive(Debug)]
    pub struct LocalListener(UnixListener);

    /// Connects to who listens at the address.
    ///
    /// # Errors
    /// When nobody does, or this account may not.
    pub async fn connect(address: &Path) -> io::Result<LocalStream> {
        UnixStream::connect(address).await
    }

    impl LocalListener {
        pub(super) fn bind(address: &Path, audience: &Audience) -> Result<Self, HostError> {
            let listen = || {
                check_length(address)?;
                if let Some(folder) = address.parent() {
                    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
                }
                remove_old(address)?;
                UnixListener::bind(address)
            };
            let doing = || format!("listen at `{}`", address.display());
            let listener = listen().map_err(HostError::io(doing))?;
            // Until here nobody but the owner could connect, whatever the umask is.
            open_to(address, audience, 0o660)?;
            Ok(Self(listener))
        }

        /// The next connection.
        ///
        /// # Errors
        /// When the system has no room for it now.
        pub async fn accept(&mut self) -> io::Result<(LocalStream, Peer)> {
            let (stream, _) = self.0.accept().await?;
            let told = stream.peer_cred().ok();
            let peer = Peer { user: told.map(|told| told.uid()), process: told.and_then(|told| told.pid()) };
            Ok((stream, peer))
        }
    }

    fn check_length(address: &Path) -> io::Result<()> {
        let bytes = address.as_os_str().as_bytes().len();
        if bytes <= PATH_MAX_BYTES {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "the path has {bytes} bytes, and a socket's has at most {PATH_MAX_BYTES}"
        )))
    }

    fn remove_old(address: &Path) -> io::Result<()> {
        match fs::symlink_metadata(address) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(address),
            Ok(_) => Err(io::Error::other("something that is no socket is there")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open_to(path: &Path, audience: &Audience, mode: u32) -> Result<(), HostError> {
        let doing = || format!("let others use `{}`", path.display());
        let open = || match audience {
            Audience::Nobody => fs::set_permissions(path, Permissions::from_mode(0o600)),
            Audience::Group(group) => {
                chown(path, None, Some(number_of(group)?))?;
                fs::set_permissions(path, Permissions::from_mode(mode))
            }
        };
        open().map_err(HostError::io(doing))
    }

    fn number_of(group: &str) -> io::Result<u32> {
        if let Ok(number) = group.parse() {
            return Ok(number);
        }
        let text = fs::read_to_string(GROUPS)?;
        let found = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
        });
        found.ok_or_else(|| {
            io::Error::other(format!("there is no group `{group}` in {GROUPS}; a number is taken as well"))
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        async fn said(address: &Path) -> io::Result<Peer> {
            let mut listener = LocalListener::bind(address, &Audience::Nobody).map_err(io::Error::other)?;
            let (connected, accepted) = tokio::join!(connect(address), listener.accept());
            connected?;
            accepted.map(|(_, peer)| peer)
        }

        #[tokio::test]
        async fn whoever_connects_is_known_and_nobody_else_may() {
            let folder = tempfile::tempdir().unwrap();
            let address = folder.path().join("run/a.sock");
            let peer = said(&address).await.unwrap();
            assert_eq!(peer.process, i32::try_from(std::process::id()).ok());
            assert_eq!(fs::metadata(&address).unwrap().permissions().mode() & 0o777, 0o600);
            // What the one before left is no obstacle.
            said(&address).await.unwrap();
        }

        #[tokio::test]
        async fn what_stands_in_the_way_is_named() {
            let folder = tempfile::tempdir().unwrap();
            let taken = folder.path().join("file");
            fs::write(&taken, "x").unwrap();
            let long = folder.path().join("x".repeat(120));
            let free = folder.path().join("free");
            let group = Audience::Group("nobody-has-this-name".to_owned());
            for (path, audience, wanted) in [
                (&taken, Audience::Nobody, "no socket is there"),
                (&long, Audience::Nobody, "at most 107"),
                (&free, group, "no group `nobody-has-this-name`"),
            ] {
                let error = LocalListener::bind(path, &audience).unwrap_err();
                let source = std::error::Error::source(&error).unwrap().to_string();
                assert!(source.contains(wanted), "{source}");
            }
            assert_eq!(fs::read(&taken).unwrap(), b"x");
            let own = Audience::Group(rustix::process::getgid().as_raw().to_string());
            LocalListener::bind(&free, &own).unwrap();
            assert_eq!(fs::metadata(&free).unwrap().permissions().mode() & 0o777, 0o660);
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::ffi::OsString;
    use std::io;
    use std::path::Path;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer};

    use super::{Audience, Peer};
    use crate::HostError;
    use crate::windows::pipe;

    /// All instances of the pipe have somebody at the other end.
    const ERROR_PIPE_BUSY: i32 = 231;
    const BUSY_TRIES: u32 = 40;
    const BUSY_PAUSE: Duration = Duration::from_millis(50);

    /// A connection, by either of its ends.
    #[derive(Debug)]
    pub enum LocalStream {
        Server(NamedPipeServer),
        Client(NamedPipeClient),
    }

    /// See the parent module.
    #[derive(Debug)]
    pub struct LocalListener {
        name: OsString,
        descriptor: String,
        next: NamedPipeServer,
    }

    /// Connects to who listens at the address.
    ///
    /// # Errors
    /// When nobody does, or this account may not.
    pub async fn connect(address: &Path) -> io::Result<LocalStream> {
        let mut tries = 0;
        loop {
            match ClientOptions::new().open(address) {
                Ok(client) => return Ok(LocalStream::Client(client)),
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) && tries < BUSY_TRIES => {
                    tries += 1;
                    // The moment is all that is waited for.
                    drop(tokio::time::timeout(BUSY_PAUSE, std::future::pending::<()>()).await);
                }
                Err(error) => return Err(error),
            }
        }
    }

    impl LocalListener {
        pub(super) fn bind(address: &Path, audience: &Audience) -> Result<Self, HostError> {
            let name = address.as_os_str().to_owned();
            // SYSTEM and administrators, and the members of the group, by its SID.
            let mut descriptor = "D:P(A;;GA;;;SY)(A;;GA;;;BA)".to_owned();
            if let Audience::Group(sid) = audience {
                descriptor.push_str(&format!("(A;;GRGW;;;{sid})"));
            }
            let doing = || format!("listen at `{}`", address.display());
            let next =
                pipe::create(&name, &descriptor, pipe::Instance::First).map_err(HostError::io(doing))?;
            Ok(Self { name, descriptor, next })
        }

        /// The next connection.
        ///
        /// # Errors
        /// When the system has no room for it now.
        pub async fn accept(&mut self) -> io::Result<(LocalStream, Peer)> {
            self.next.connect().await?;
            let next = pipe::create(&self.name, &self.descriptor, pipe::Instance::Further)?;
            let stream = LocalStream::Server(std::mem::replace(&mut self.next, next));
            Ok((stream, Peer { user: None, process: None }))
        }
    }

    impl AsyncRead for LocalStream {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Server(pipe) => Pin::new(pipe).poll_read(context, buffer),
                Self::Client(pipe) => Pin::new(pipe).poll_read(context, buffer),
            }
        }
    }

    impl AsyncWrite for LocalStream {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            match self.get_mut() {
                Self::Server(pipe) => Pin::new(pipe).poll_write(context, data),
                Self::Client(pipe) => Pin::new(pipe).poll_write(context, data),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Server(pipe) => Pin::new(pipe).poll_flush(context),
                Self::Client(pipe) => Pin::new(pipe).poll_flush(context),
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Server(pipe) => Pin::new(pipe).poll_shutdown(context),
                Self::Client(pipe) => Pin::new(pipe).poll_shutdown(context),
            }
        }
    }
}
