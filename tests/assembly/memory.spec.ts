// Entry: the memory map, frames, page table and checked memory access.

import "./hv/layout.spec";
