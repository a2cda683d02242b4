// More of the numbers that both compilers read (abi.ts): the frames of a CPU's stack, as hv_frames
// leaves them.

/** The word, how far below the stack's top it lies (u32), what it is (u32). */
export const FRAME_VA = 0;
export const FRAME_BELOW = 8;
export const FRAME_KIND = 12;
export const FRAME_RECORD_SIZE = 16;

export const FRAME_RETURN = 1; // a return address
export const FRAME_RIP = 2; // an interrupted instruction
export const FRAME_MAYBE = 3; // a word that points into code
