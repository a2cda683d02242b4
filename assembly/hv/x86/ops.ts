// The operations that an instruction can be (Intel SDM vol. 2). Dense, in the order in which
// opcodes number them where they do: ADD..CMP are 1 + bits 5:3 of the opcode, ROL..SAR follow
// ModRM.reg.

// prettier-ignore
export const enum Op {
  Invalid, // not an instruction
  Add, Or, Adc, Sbb, And, Sub, Xor, Cmp,
  Test, Mov, Xchg, Lea, Inc, Dec, Not, Neg,
  Mul, Imul1, Div, Idiv, Imul2, Imul3,
  Rol, Ror, Rcl, Rcr, Shl, Shr, Sal, Sar,
  Shld, Shrd, Bt, Bts, Btr, Btc, Bsf, Bsr, Tzcnt, Lzcnt, Popcnt, Bswap,
  Movzx, Movsx, Cbw, Cwd, Setcc, Cmov, Xadd, Cmpxchg, Cmpxchg8, MovbeLoad, MovbeStore, Crc32,
  Push, PushImm, Pop, Pushf, Popf, Leave, Enter,
  Call, CallRm, Ret, Jmp, JmpRm, Jcc, Loopne, Loope, Loop, Jrcxz,
  Movs, Stos, Lods, Scas, Cmps, Ins, Outs,
  Clc, Stc, Cmc, Cld, Std, Cli, Sti, Lahf, Sahf, Xlat,
  Nop, NopRm, Clflush, Int1, Int3, Int, Ud, Hlt, Cpuid, Rdtsc, Rdtscp, Rdpid, Rdmsr, Wrmsr, Rdpmc,
  Rdrand, Rdseed, In, Out, Monitor, Mwait,
  ReadCr, WriteCr, ReadDr, WriteDr, Smsw, Lmsw, Clts, Xgetbv, Xsetbv,
  Invlpg, Invpcid, Wbinvd, Swapgs, Clac, Stac, Rdfsbase, Rdgsbase, Wrfsbase, Wrgsbase,
  // Segments and their tables
  ReadSeg, WriteSeg, PushSeg, PopSeg, LoadFar, Lar, Lsl, Verr, Verw,
  Sldt, Str, Lldt, Ltr, Sgdt, Sidt, Lgdt, Lidt,
  // Ways between segments and rings
  CallFar, JmpFar, RetFar, Iret, Syscall, Sysret, Sysenter, Sysexit, Vmcall,
  // BMI1, BMI2, ADX
  Andn, Bextr, Blsr, Blsmsk, Blsi, Bzhi, Pdep, Pext, Mulx, Rorx, Shlx, Sarx, Shrx, Adcx, Adox,
  // State of the x87 and of SSE
  Fninit, Fnclex, Fldcw, Fnstcw, Fnstsw, Fwait, Stmxcsr, Ldmxcsr,
  Fxsave, Fxrstor, Xsave, Xsaveopt, Xsavec, Xsaves, Xrstor, Xrstors,
  // SSE: moves
  MovX, MovXAligned, MovStore, MovStoreAligned, MovD, MovDStore, MovQ, MovQStore,
  MovSs, MovSd, MovSsStore, MovSdStore, MovLow, MovHigh, MovLowStore, MovHighStore,
  Pmovmskb, Movmskps, Movmskpd, Pinsrw, Pextrw,
  // SSE: two 128-bit operands, no memory effect but reading the second
  Pxor, Por, Pand, Pandn, Packed,
  Pshufd, Pshuflw, Pshufhw, Shufps, Shufpd, PshiftX, PshiftImm,
  Unsupported, // an instruction of known length that this machine does not have
}

/** Packed operations (`sub` of Op.Packed), by element. */
// prettier-ignore
export const enum Packed {
  Addb, Addw, Addd, Addq, Subb, Subw, Subd, Subq,
  Eqb, Eqw, Eqd, Gtb, Gtw, Gtd,
  Minub, Maxub, Minsw, Maxsw, Avgb, Avgw,
  Mullw, Mulhw, Mulhuw, Muludq, Maddwd, Sadbw,
  Addusb, Addusw, Addsb, Addsw, Subusb, Subusw, Subsb, Subsw,
  Packsswb, Packuswb, Packssdw,
  Unpcklbw, Unpcklwd, Unpckldq, Unpcklqdq, Unpckhbw, Unpckhwd, Unpckhdq, Unpckhqdq,
}

/** Packed shifts (`sub` of Op.PshiftX and Op.PshiftImm). */
// prettier-ignore
export const enum Pshift {
  Srlw, Srld, Srlq, Sraw, Srad, Sllw, Slld, Sllq, Srldq, Slldq,
}
