//! What the XDP program puts in front of a frame.

/// Bytes of [`Metadata`].
pub const METADATA_BYTES: usize = 16;

/// What the XDP program put directly in front of a packet (`bpf_xdp_adjust_meta`); zeroes where it put nothing there.
pub type Metadata = [u8; METADATA_BYTES];
