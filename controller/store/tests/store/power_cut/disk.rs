//! A disk as a power cut finds it: what was synced, and what was only written.
//!
//! A file's bytes are durable once the file was synced, a folder's names once the folder was. `sync_file_range`
//! makes nothing durable. Of names that were not synced a beginning survives, in their order, as journalling file
//! systems do it; of bytes any part.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::record::Operation;

const SECTOR: usize = 512;

/// Which recorded syncs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    AsRecorded,
    WithoutFdatasync,
}

/// How much of the unsynced survives a cut.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Survivors {
    Nothing,
    Everything,
    /// Any part; the number is the seed.
    Random(u64),
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

pub(crate) struct Disk<'a> {
    syncs: Syncs,
    /// The kernel gives the inode of a deleted file to the next one; a node here is never anything else.
    nodes: Vec<Node<'a>>,
    by_inode: HashMap<u64, usize>,
}

enum Node<'a> {
    File { durable: Vec<u8>, pending: Vec<Change<'a>> },
    Folder { live: Names, durable: Names, pending: Vec<Renaming> },
}

type Names = BTreeMap<String, usize>;
/// Names that change together.
type Renaming = Vec<(String, Option<usize>)>;

enum Change<'a> {
    Write { offset: usize, data: &'a [u8] },
    Truncate { length: usize },
}

const ROOT: usize = 0;

impl<'a> Disk<'a> {
    pub(crate) fn new(root_inode: u64, syncs: Syncs) -> Self {
        Self { syncs, nodes: vec![Node::folder()], by_inode: HashMap::from([(root_inode, ROOT)]) }
    }

    pub(crate) fn apply(&mut self, operation: Operation<'a>) {
        match operation {
            Operation::Create { path, inode } => self.create(path, inode, Node::file()),
            Operation::MakeFolder { path, inode } => self.create(path, inode, Node::folder()),
            Operation::Write { inode, offset, data } => {
                let offset = usize::try_from(offset).unwrap();
                self.pending(inode).push(Change::Write { offset, data });
            }
            Operation::Truncate { inode, length } => {
                let length = usize::try_from(length).unwrap();
                self.pending(inode).push(Change::Truncate { length });
            }
            Operation::Fsync { inode } => self.sync(inode),
            Operation::Fdatasync { inode } if self.syncs == Syncs::AsRecorded => self.sync(inode),
            Operation::Fdatasync { .. } | Operation::Print(_) | Operation::End => {}
            Operation::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "a rename stays in its folder");
                let node = self.find(from).expect("the renamed exists");
                self.rename(from, vec![(name(from), None), (name(to), Some(node))]);
            }
            Operation::Remove { path } => self.rename(path, vec![(name(path), None)]),
        }
    }

    /// Writes what a cut leaves into a real folder.
    pub(crate) fn write_to(&self, folder: &Path, survivors: Survivors) {
        let mut random = Random::new(if let Survivors::Random(seed) = survivors { seed } else { 0 });
        self.write_node(ROOT, folder, survivors, &mut random);
    }

    fn write_node(&self, node: usize, path: &Path, survivors: Survivors, random: &mut Random) {
        match &self.nodes[node] {
            Node::File { durable, pending } => {
                std::fs::write(path, file_after_cut(durable, pending, survivors, random)).unwrap();
            }
            Node::Folder { durable, pending, .. } => {
                let kept = match survivors {
                    Survivors::Nothing => 0,
                    Survivors::Everything => pending.len(),
                    Survivors::Random(_) => random.below(pending.len() + 1),
                };
                let mut names = durable.clone();
                pending[..kept].iter().for_each(|renaming| change_names(&mut names, renaming));
                if node != ROOT {
                    std::fs::create_dir(path).unwrap();
                }
                for (name, node) in names {
                    self.write_node(node, &path.join(name), survivors, random);
                }
            }
        }
    }

    fn create(&mut self, path: &Path, inode: u64, node: Node<'a>) {
        if self.find(path).is_none() {
            self.nodes.push(node);
            let node = self.nodes.len() - 1;
            self.by_inode.insert(inode, node);
            self.rename(path, vec![(name(path), Some(node))]);
        }
    }

    /// Changes names in the folder of `path`, which a cut may undo until that folder is synced.
    fn rename(&mut self, path: &Path, renaming: Renaming) {
        let folder = self.find(path.parent().unwrap()).expect("the folder exists");
        let Node::Folder { live, pending, .. } = &mut self.nodes[folder] else {
            panic!("{path:?} lies in a file")
        };
        change_names(live, &renaming);
        pending.push(renaming);
    }

    fn sync(&mut self, inode: u64) {
        match &mut self.nodes[self.by_inode[&inode]] {
            Node::File { durable, pending } => pending.drain(..).for_each(|change| change.apply(durable)),
            Node::Folder { live, durable, pending } => {
                durable.clone_from(live);
                pending.clear();
            }
        }
    }

    fn pending(&mut self, inode: u64) -> &mut Vec<Change<'a>> {
        match &mut self.nodes[self.by_inode[&inode]] {
            Node::File { pending, .. } => pending,
            Node::Folder { .. } => panic!("bytes are written to files"),
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.iter().try_fold(ROOT, |folder, name| match &self.nodes[folder] {
            Node::Folder { live, .. } => live.get(name.to_str().unwrap()).copied(),
            Node::File { .. } => None,
        })
    }
}

impl Node<'_> {
    fn file() -> Self {
        Self::File { durable: Vec::new(), pending: Vec::new() }
    }

    fn folder() -> Self {
        Self::Folder { live: Names::new(), durable: Names::new(), pending: Vec::new() }
    }
}

impl Change<'_> {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(bytes, *offset, data),
            Self::Truncate { length } => bytes.resize(*length, 0),
        }
    }

    /// Applies any part of the change: none, all, or some sectors.
    fn apply_part(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        match self {
            _ if random.one_in(3) => {}
            Self::Write { offset, data } if random.one_in(2) => {
                let mut at = 0;
                while at < data.len() {
                    // Sectors are those of the file, not of the write.
                    let end = ((offset + at) / SECTOR * SECTOR + SECTOR - offset).min(data.len());
                    if random.one_in(2) {
                        put(bytes, offset + at, &data[at..end]);
                    }
                    at = end;
                }
            }
            whole => whole.apply(bytes),
        }
    }
}

fn file_after_cut(
    durable: &[u8],
    pending: &[Change<'_>],
    survivors: Survivors,
    random: &mut Random,
) -> Vec<u8> {
    let mut bytes = durable.to_vec();
    for change in pending {
        match survivors {
            Survivors::Nothing => {}
            Survivors::Everything => change.apply(&mut bytes),
            Survivors::Random(_) => change.apply_part(&mut bytes, random),
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

fn change_names(names: &mut Names, renaming: &Renaming) {
    for (name, node) in renaming {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
