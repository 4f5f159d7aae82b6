//! What steps print: pieces that arrive in order, are durable before they are acknowledged, and are kept exactly.
//!
//! Small pieces are rows of the store, large ones blobs whose rows say where they belong. How many bytes of a stream
//! are durable is a row of its own, changed in the same commit, so that a piece that is sent twice is kept once.

use bytes::Bytes;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, BlobError, BlobPath, CommitError};

use super::payload;
use super::records::{OutputLength, OutputRow};
use super::roster;
use super::ssm_view::Head;
use crate::associations::report::keeps_output;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages, next_key};
use crate::tables::{OUTPUT, OUTPUT_LENGTH};

/// Pieces up to this many bytes are rows; the store refuses values above 32 KiB.
const ROW_MAX_BYTES: usize = 24 * 1024;

/// Rows read at once when output is read back.
const READ_ROWS: usize = 64;

/// Which of a step's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    Stdout,
    Stderr,
}

/// One stream of one step of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamKey {
    pub command: CommandId,
    pub node: NodeId,
    pub step: u32,
    pub channel: Channel,
}

/// A piece as the node sent it.
#[derive(Debug, Clone)]
pub struct Piece {
    pub stream: StreamKey,
    pub offset: u64,
    pub data: Bytes,
}

/// Keeps a piece and returns the position below which everything is durable: where the node goes on.
pub async fn keep(house: &House, piece: &Piece) -> Result<u64, Refusal> {
    let stream = &piece.stream;
    let is_wanted = roster::find(house, &(stream.command.clone(), stream.node.clone())).await?.is_some()
        || keeps_output(house, &stream.command, &stream.node).await?;
    if !is_wanted {
        // Nobody will ever ask for it: the node may forget it.
        return Ok(piece.offset + piece.data.len() as u64);
    }
    for _ in 0..COMMIT_ATTEMPTS {
        let mut batch = Batch::new();
        let position = add(house, &mut batch, piece).await?;
        // A commit without writes is the barrier: what was found is durable before it is acknowledged.
        match house.store.commit(batch).await {
            Ok(_) => return Ok(position),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable("this output is being written from two sides: try again"))
}

/// Adds a piece to a commit and returns the position below which everything is durable once it is done. What is
/// known already is skipped; a piece beyond what is known adds nothing.
pub async fn add(house: &House, batch: &mut Batch, piece: &Piece) -> Result<u64, Refusal> {
    let StreamKey { command, node, step, channel } = &piece.stream;
    let number = stream_number(*step, *channel);
    let length_key = (command.clone(), node.clone(), number);
    let known = OUTPUT_LENGTH.get(&*house.store, &length_key).await?;
    let durable = known.as_ref().map_or(0, |row| row.value.bytes);
    let room = house.limits.output_stream_max_bytes.saturating_sub(durable);
    if room == 0 {
        // Above the limit: the node need not keep what will not be kept here. Its own totals say what is missing.
        return Ok(piece.offset + piece.data.len() as u64);
    }
    let Some(data) = unknown_part(piece, durable) else {
        return Ok(durable);
    };
    let data = data.slice(..data.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
    let key = (command.clone(), node.clone(), number, durable);
    let length = data.len() as u64;
    let row = if data.len() <= ROW_MAX_BYTES {
        OutputRow::Here(data)
    } else {
        let _place = house.blob_writes.enter().await;
        house.blobs.put(&blob_path(&piece.stream, durable)?, data).await?;
        OutputRow::Blob { bytes: length }
    };
    let new_length = OutputLength { bytes: durable + length };
    match known {
        Some(mut row) => {
            row.value = new_length;
            OUTPUT_LENGTH.replace(batch, &row)?;
        }
        None => OUTPUT_LENGTH.insert(batch, &length_key, &new_length)?,
    }
    OUTPUT.put(batch, &key, &row)?;
    Ok(durable + length)
}

/// The part of a piece that lies right behind what is durable.
fn unknown_part(piece: &Piece, durable: u64) -> Option<Bytes> {
    let skip = durable.checked_sub(piece.offset)?;
    let skip = usize::try_from(skip).ok().filter(|skip| *skip < piece.data.len())?;
    Some(piece.data.slice(skip..))
}

/// The bytes that a row stands for.
pub async fn bytes_of(
    house: &House,
    stream: &StreamKey,
    offset: u64,
    row: &OutputRow,
) -> Result<Bytes, Refusal> {
    match row {
        OutputRow::Here(data) => Ok(data.clone()),
        OutputRow::Blob { bytes } => {
            let data = house.blobs.get(&blob_path(stream, offset)?).await?;
            Ok(data.slice(..data.len().min(usize::try_from(*bytes).unwrap_or(usize::MAX))))
        }
    }
}

/// The first `most` bytes of a stream, and how many it has in all.
pub async fn head(house: &House, stream: &StreamKey, most: usize) -> Result<Head, Refusal> {
    let StreamKey { command, node, step, channel } = stream;
    let prefix = (command.clone(), node.clone(), stream_number(*step, *channel));
    let total = OUTPUT_LENGTH.get(&*house.store, &prefix).await?.map_or(0, |row| row.value.bytes);
    let mut head = Head { bytes: Vec::new(), total };
    let mut pages = Pages::of(&OUTPUT, prefix);
    while head.bytes.len() < most
        && let Some(rows) = pages.next(&*house.store).await?
    {
        for row in rows {
            let room = most.saturating_sub(head.bytes.len());
            let data = if room == 0 { break } else { bytes_of(house, stream, row.key.3, &row.value).await? };
            head.bytes.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(head)
}

/// The key of a row of output.
pub type OutputKey = (CommandId, NodeId, u64, u64);

/// The rows of an invocation's output after `after`, in the order of steps, streams and positions.
pub async fn read(
    house: &House,
    command: &CommandId,
    node: &NodeId,
    after: Option<&OutputKey>,
) -> Result<(Vec<(OutputKey, OutputRow)>, Option<OutputKey>), Refusal> {
    let prefix = (command.clone(), node.clone());
    let page = OUTPUT.scan(&*house.store, &prefix, after, READ_ROWS).await?;
    crate::records::note_unreadable("output", &page.unreadable);
    let next = next_key(&page, READ_ROWS);
    Ok((page.rows.into_iter().map(|row| (row.key, row.value)).collect(), next))
}

/// Which stream a row belongs to, and where in it.
#[must_use]
pub fn place(key: &OutputKey) -> Option<(StreamKey, u64)> {
    let (command, node, number, offset) = key;
    let channel = if number & 1 == 0 { Channel::Stdout } else { Channel::Stderr };
    let step = u32::try_from(number >> 1).ok()?;
    Some((StreamKey { command: command.clone(), node: node.clone(), step, channel }, *offset))
}

/// A step's streams as they stand in keys: step 0 has 0 and 1, step 1 has 2 and 3, and so on.
fn stream_number(step: u32, channel: Channel) -> u64 {
    u64::from(step) << 1 | u64::from(channel == Channel::Stderr)
}

fn blob_path(stream: &StreamKey, offset: u64) -> Result<BlobPath, BlobError> {
    let StreamKey { command, node, step, channel } = stream;
    let number = stream_number(*step, *channel);
    format!("{}/output/{node}/{number}/{offset:016x}", payload::folder(command)).parse()
}
