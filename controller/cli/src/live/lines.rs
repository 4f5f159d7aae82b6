//! Output of several nodes on one screen: whole lines, each behind the name of its node.
//!
//! Pure: bytes in, bytes out. Bytes of a line are never changed. A line that is not complete waits, for the rest of
//! it or for the end of its node, and is then completed by a line end that is ours; so is one longer than
//! [`LINE_MAX_BYTES`], because no node may fill the memory of this program.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Color, Style};

use crate::escape::escape;

/// Longest line that is kept together, bytes.
const LINE_MAX_BYTES: usize = 256 * 1024;

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightRed,
];

/// Which of the two a node wrote to, and which of ours it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn of_chunk(chunk: &fleetwright_proto::control::OutputChunk) -> Self {
        if chunk.stderr { Self::Stderr } else { Self::Stdout }
    }
}

/// On which of our streams names are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Coloured {
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

#[derive(Debug)]
pub(crate) struct Lines {
    coloured: Coloured,
    /// Names by node id, as far as they are known.
    names: BTreeMap<String, String>,
    /// Beginnings of lines.
    partial: BTreeMap<(String, Stream), Vec<u8>>,
}

impl Lines {
    pub(super) fn new(coloured: Coloured) -> Self {
        Self { coloured, names: BTreeMap::new(), partial: BTreeMap::new() }
    }

    /// Without colours.
    pub(crate) fn plain() -> Self {
        Self::new(Coloured::default())
    }

    pub(crate) fn know(&mut self, node_id: &str, name: &str) {
        if self.names.get(node_id).is_none_or(|known| known != name) {
            self.names.insert(node_id.into(), name.into());
        }
    }

    /// Takes what a node wrote; returns the lines that are complete by it.
    pub(crate) fn push(&mut self, node_id: &str, stream: Stream, data: &[u8]) -> Vec<u8> {
        let prefix = self.prefix(node_id, stream);
        let partial = self.partial.entry((node_id.into(), stream)).or_default();
        let mut complete = Vec::with_capacity(data.len() + prefix.len());
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            partial.extend_from_slice(piece);
            let is_too_long = partial.len() >= LINE_MAX_BYTES;
            if piece.ends_with(b"\n") || is_too_long {
                complete.extend_from_slice(prefix.as_bytes());
                complete.append(partial);
                if !piece.ends_with(b"\n") {
                    complete.push(b'\n');
                }
            }
        }
        complete
    }

    /// The lines that a node did not complete, now that it will not.
    pub(crate) fn finish(&mut self, node_id: &str) -> Vec<(Stream, Vec<u8>)> {
        [Stream::Stdout, Stream::Stderr]
            .into_iter()
            .filter_map(|stream| {
                let rest =
                    self.partial.remove(&(node_id.to_owned(), stream)).filter(|rest| !rest.is_empty())?;
                let mut line = self.prefix(node_id, stream).into_bytes();
                line.extend(rest);
                line.push(b'\n');
                Some((stream, line))
            })
            .collect()
    }

    /// As [`Lines::finish`], for every node.
    pub(crate) fn finish_all(&mut self) -> Vec<(Stream, Vec<u8>)> {
        let mut nodes: Vec<String> = self.partial.keys().map(|(node, _)| node.clone()).collect();
        nodes.dedup();
        nodes.iter().flat_map(|node| self.finish(node)).collect()
    }

    /// The name of a node when no other node has it, else its id.
    fn label<'a>(&'a self, node_id: &'a str) -> &'a str {
        match self.names.get(node_id) {
            Some(name)
                if !name.is_empty() && self.names.values().filter(|other| *other == name).count() == 1 =>
            {
                name
            }
            _ => node_id,
        }
    }

    fn prefix(&self, node_id: &str, stream: Stream) -> String {
        let width = self.names.keys().map(|id| escape(self.label(id)).chars().count()).max().unwrap_or(0);
        let label = escape(self.label(node_id));
        let is_coloured = match stream {
            Stream::Stdout => self.coloured.stdout,
            Stream::Stderr => self.coloured.stderr,
        };
        let style = match self.names.keys().position(|id| id == node_id) {
            Some(at) if is_coloured => Style::new().fg_color(Some(Color::Ansi(COLOURS[at % COLOURS.len()]))),
            _ => Style::new(),
        };
        format!("{style}{label:<width$} |{style:#} ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stream::{Stderr, Stdout};

    fn lines(nodes: &[(&str, &str)]) -> Lines {
        let mut lines = Lines::new(Coloured::default());
        nodes.iter().for_each(|(id, name)| lines.know(id, name));
        lines
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn whole_lines_stand_behind_aligned_names() {
        let mut lines = lines(&[("mi-1", "web-1"), ("mi-2", "database")]);
        assert_eq!(text(lines.push("mi-1", Stdout, b"one\ntw")), "web-1    | one\n");
        assert_eq!(text(lines.push("mi-2", Stdout, b"three\n")), "database | three\n");
        assert_eq!(text(lines.push("mi-1", Stderr, b"err")), "");
        assert_eq!(text(lines.push("mi-1", Stdout, b"o\n\n")), "web-1    | two\nweb-1    | \n");
        assert_eq!(lines.finish("mi-1"), [(Stderr, b"web-1    | err\n".to_vec())]);
        assert_eq!(lines.finish_all(), []);
    }

    #[test]
    fn bytes_of_a_line_are_not_changed() {
        let mut lines = lines(&[("mi-1", "a"), ("mi-2", "b")]);
        assert_eq!(lines.push("mi-1", Stdout, b"\xff\x1b[31m\r\x00\n"), b"a | \xff\x1b[31m\r\x00\n");
    }

    #[test]
    fn a_name_that_two_nodes_have_gives_way_to_the_id() {
        let mut lines = lines(&[("mi-1", "web"), ("mi-2", "web"), ("mi-3", ""), ("mi-4", "a\u{1b}b")]);
        assert_eq!(text(lines.push("mi-1", Stdout, b"x\n")), "mi-1     | x\n");
        assert_eq!(text(lines.push("mi-3", Stdout, b"x\n")), "mi-3     | x\n");
        assert_eq!(text(lines.push("mi-4", Stdout, b"x\n")), "a\\u{1b}b | x\n");
        assert_eq!(text(lines.push("mi-9", Stdout, b"x\n")), "mi-9     | x\n");
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut lines = lines(&[("mi-1", "a"), ("mi-2", "b")]);
        let chunk = vec![b'x'; 100 * 1024];
        let written: usize = (0..30).map(|_| lines.push("mi-1", Stdout, &chunk).len()).sum();
        assert_eq!(written, 10 * (3 * chunk.len() + "a | \n".len()));
        assert_eq!(lines.finish_all(), []);
    }

    #[test]
    fn names_are_coloured_where_wanted() {
        let mut lines = Lines::new(Coloured { stdout: true, stderr: false });
        lines.know("mi-1", "web");
        assert_eq!(text(lines.push("mi-1", Stdout, b"x\n")), "\u{1b}[36mweb |\u{1b}[0m x\n");
        assert_eq!(text(lines.push("mi-1", Stderr, b"x\n")), "web | x\n");
    }
}
