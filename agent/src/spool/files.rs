//! The files of the spool: `<folder>/<command>/<step>.<stream>.<position of the first byte>`, and beside them
//! `<step>.<stream>.dropped` with the number of bytes that were not kept.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fleetwright_proto::ids::CommandId;

use super::stream::{Found, Freeing, Segment};
use super::{ReadError, Stream, StreamId};

/// No need for larger ones: they only have to be few.
const SEGMENT_MAX_BYTES: u64 = 8 << 20;
const DROPPED: &str = "dropped";

#[derive(Debug)]
pub(super) struct SegmentFiles {
    folder: PathBuf,
    segment_bytes: u64,
}

impl SegmentFiles {
    /// Several segments fit into a stream's limit, so that one can be freed while another is written.
    pub(super) fn below(folder: PathBuf, stream_bytes: u64) -> Self {
        Self { folder, segment_bytes: (stream_bytes / 8).clamp(1, SEGMENT_MAX_BYTES) }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Everything that is there, the command that wrote least recently first. What has another name is not ours.
    pub(super) fn scan(&self) -> io::Result<Vec<(StreamId, Found)>> {
        let mut commands: Vec<(SystemTime, CommandId)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Some(Ok(command)) = entry.file_name().to_str().map(str::parse) else { continue };
            commands.push((entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH), command));
        }
        commands.sort();
        let mut found = Vec::new();
        for (_, command) in commands {
            found.extend(self.scan_command(&command)?);
        }
        Ok(found)
    }

    fn scan_command(&self, command: &CommandId) -> io::Result<BTreeMap<StreamId, Found>> {
        let mut streams: BTreeMap<StreamId, Found> = BTreeMap::new();
        for entry in fs::read_dir(self.folder.join(command.as_str()))? {
            let entry = entry?;
            let Some((step, stream, rest)) = entry.file_name().to_str().and_then(parse_name) else {
                continue;
            };
            let found = streams.entry(StreamId { command: command.clone(), step, stream }).or_default();
            match rest {
                Part::Segment(base) => found.segments.push(Segment { base, length: entry.metadata()?.len() }),
                Part::Dropped => {
                    found.dropped = fs::read_to_string(entry.path())?.trim().parse().unwrap_or_default();
                }
            }
        }
        Ok(streams)
    }

    /// Opens a segment to be written at its end; makes it, and the command's folder, when it is not there.
    pub(super) fn open(&self, id: &StreamId, base: u64) -> io::Result<File> {
        let path = self.path(id, &base.to_string());
        let open = || OpenOptions::new().append(true).create(true).open(&path);
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.command_folder(&id.command))?;
                open()
            }
            other => other,
        }
    }

    pub(super) fn read(
        &self,
        id: &StreamId,
        base: u64,
        skip: u64,
        length: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let path = self.path(id, &base.to_string());
        let read = || {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(skip))?;
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|source| ReadError::Io { path: path.clone(), source })
    }

    pub(super) fn free(&self, id: &StreamId, freeing: &Freeing) -> io::Result<()> {
        if let Some(base) = freeing.begin {
            self.open(id, base)?;
        }
        for base in &freeing.remove {
            gone_is_fine(fs::remove_file(self.path(id, &base.to_string())))?;
        }
        Ok(())
    }

    pub(super) fn write_dropped(&self, id: &StreamId, dropped: u64) -> io::Result<()> {
        fs::create_dir_all(self.command_folder(&id.command))?;
        fs::write(self.path(id, DROPPED), dropped.to_string())
    }

    pub(super) fn remove_command(&self, command: &CommandId) {
        let folder = self.command_folder(command);
        if let Err(error) = gone_is_fine(fs::remove_dir_all(&folder)) {
            tracing::warn!(%error, folder = %folder.display(), "cannot remove the output of a finished command");
        }
    }

    fn command_folder(&self, command: &CommandId) -> PathBuf {
        self.folder.join(command.as_str())
    }

    fn path(&self, id: &StreamId, rest: &str) -> PathBuf {
        self.command_folder(&id.command).join(format!("{}.{}.{rest}", id.step, stream_name(id.stream)))
    }
}

/// What a file's name says after step and stream.
enum Part {
    Segment(u64),
    Dropped,
}

fn parse_name(name: &str) -> Option<(u32, Stream, Part)> {
    let mut parts = name.splitn(3, '.');
    let step = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let stream = [Stream::Stdout, Stream::Stderr].into_iter().find(|stream| stream_name(*stream) == name)?;
    let rest = parts.next()?;
    let part = if rest == DROPPED { Part::Dropped } else { Part::Segment(rest.parse().ok()?) };
    Some((step, stream, part))
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
