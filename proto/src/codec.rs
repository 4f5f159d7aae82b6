//! The codec of every rpc: protobuf, with buffers that are small until a message needs more.
//!
//! tonic's own starts each direction of each call with 8 KiB. A controller holds one call for each agent, and most of
//! them say a few bytes in a minute.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// What a call begins with for each direction, bytes; buffers grow by as much as a message needs.
const BUFFER_BYTES: usize = 512;
/// Messages are gathered up to this many bytes before they are handed to the connection.
const GATHERED_BYTES: usize = 32 * 1024;

/// Protobuf messages, `T` out and `U` in.
#[derive(Debug)]
pub struct LeanCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for LeanCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for LeanCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, GATHERED_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_BYTES, GATHERED_BYTES))
    }
}
