//! A command on a screen or in a pipe: what nodes print goes to our stdout and stderr as it arrives.
//!
//! One node: its bytes, exactly, as they come. More: whole lines behind names, see [`super::lines`].

use std::io::{self, Write};

use fleetwright_proto::control::{Invocation, OutputChunk};

use super::lines::Coloured;
use super::progress::Progress;
use super::{Known, Lines, Stream, is_final};
use crate::failure::Failure;
use crate::io::Io;

#[derive(Debug)]
pub(super) struct Screen {
    lines: Lines,
    progress: Progress,
    /// Whether the cursor of a terminal stands in the middle of what a node printed.
    in_a_line: bool,
}

impl Screen {
    pub(super) fn new(io: &Io) -> Self {
        let wants_colour = io.environment.get("NO_COLOR").is_none();
        let coloured = Coloured {
            stdout: wants_colour && io.terminals.stdout,
            stderr: wants_colour && io.terminals.stderr,
        };
        Self { lines: Lines::new(coloured), progress: Progress::new(io), in_a_line: false }
    }

    pub(super) fn invocation(
        &mut self,
        io: &mut Io,
        known: &Known,
        invocation: &Invocation,
    ) -> Result<(), Failure> {
        self.lines.know(&invocation.node_id, &invocation.node_name);
        if is_final(invocation.state()) && known.targets() > 1 {
            for (stream, line) in self.lines.finish(&invocation.node_id) {
                self.write(io, stream, &line)?;
            }
        }
        Ok(())
    }

    pub(super) fn output(&mut self, io: &mut Io, known: &Known, chunk: &OutputChunk) -> Result<(), Failure> {
        let stream = Stream::of_chunk(chunk);
        if known.targets() == 1 {
            return Ok(self.write(io, stream, &chunk.data)?);
        }
        let lines = self.lines.push(&chunk.node_id, stream, &chunk.data);
        Ok(self.write(io, stream, &lines)?)
    }

    pub(super) fn tick(&mut self, io: &mut Io, known: &Known) {
        if !self.in_a_line {
            self.progress.draw(io, known);
        }
    }

    pub(super) fn clear(&mut self, io: &mut Io) {
        self.progress.clear(io);
        self.end_line(io);
    }

    /// Nothing more will come: what waits for the rest of its line is written as it is.
    pub(super) fn flush(&mut self, io: &mut Io) -> Result<(), Failure> {
        for (stream, line) in self.lines.finish_all() {
            self.write(io, stream, &line)?;
        }
        self.clear(io);
        Ok(())
    }

    fn write(&mut self, io: &mut Io, stream: Stream, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        self.progress.clear(io);
        let (writer, is_terminal) = match stream {
            Stream::Stdout => (&mut io.stdout, io.terminals.stdout),
            Stream::Stderr => (&mut io.stderr, io.terminals.stderr),
        };
        writer.write_all(data)?;
        writer.flush()?;
        if is_terminal {
            self.in_a_line = !data.ends_with(b"\n");
        }
        Ok(())
    }

    /// What is said next begins on a line of its own.
    fn end_line(&mut self, io: &mut Io) {
        if std::mem::take(&mut self.in_a_line) && io.terminals.stderr {
            let _ = writeln!(io.stderr);
        }
    }
}
