//! Splitting: how networks grow more super-blocks.

use crate::net::SuperBlock;

/// Residual super-blocks with at least this many layers are split (published rule).
pub const SPLIT_FROM_LAYERS: u32 = 6;

/// Layers that stay in the first part.
const FIRST_LAYERS: u32 = 3;

/// Splits long residual blocks until none is left: the first part keeps the stride and three
/// layers, the second goes on at its width with stride 1.
pub(super) fn split_long_blocks(blocks: &mut Vec<SuperBlock>) {
    let mut i = 0;
    while i < blocks.len() {
        let block = blocks[i];
        if block.kind.family().residual && block.sub_layers >= SPLIT_FROM_LAYERS {
            split_block(blocks, i, FIRST_LAYERS);
        }
        i += 1;
    }
}

/// Makes two blocks of one: the first keeps the stride and `first` layers, fewer than all, the second goes on at its
/// width with stride 1.
pub(crate) fn split_block(blocks: &mut Vec<SuperBlock>, i: usize, first: u32) {
    let block = blocks[i];
    blocks[i].sub_layers = first;
    let rest = block.sub_layers - first;
    blocks.insert(i + 1, SuperBlock { in_channels: block.out_channels, stride: 1, sub_layers: rest, ..block });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Network;

    #[test]
    fn splits_keep_stride_in_front() {
        let network = Network::parse("SuperConvK3BNRELU(3,8,2,7)SuperResK3K3(8,16,2,8,10)").unwrap();
        let mut blocks = network.blocks().to_vec();
        split_long_blocks(&mut blocks);
        assert_eq!(
            Network::new(blocks).unwrap().to_string(),
            "SuperConvK3BNRELU(3,8,2,7)SuperResK3K3(8,16,2,8,3)SuperResK3K3(16,16,1,8,3)SuperResK3K3(16,16,1,8,4)"
        );
    }
}
