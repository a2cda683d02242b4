// Where the core's requests for signature verification go to the firmware, and its answers come
// back.

import * as abi from "./abi.js";
import type { Core } from "./core.js";
import { decodeKeyStore, type Firmware } from "./firmware.js";

export class FirmwareDesk {
  private readonly pending = new Map<number, Promise<void>>();

  constructor(private readonly firmware: Firmware) {}

  /**
   * Takes a request. Copies everything: the core frees it when its call ends.
   * @param requestOff linear offset of FIRMWARE_*
   * @param current whether the core still is the machine's when the answer comes
   */
  ask(core: Core, requestOff: number, current: () => boolean): number {
    const record = core.view(requestOff, abi.FIRMWARE_SIZE);
    const number = (offset: number): number => record.getUint32(offset, true);
    const part = (off: number, length: number): Uint8Array =>
      core.bytes(number(off), number(length)).slice();
    const id = number(abi.FIRMWARE_REQUEST);
    // Every repetition of the upload asks again: one answer is enough.
    if (this.pending.has(id)) return 0;
    const request = {
      hash: number(abi.FIRMWARE_HASH),
      data: part(abi.FIRMWARE_DATA_OFF, abi.FIRMWARE_DATA_LEN),
      signature: part(abi.FIRMWARE_SIG_OFF, abi.FIRMWARE_SIG_LEN),
      keyId: part(abi.FIRMWARE_KEY_ID_OFF, abi.FIRMWARE_KEY_ID_LEN),
      signer: part(abi.FIRMWARE_SIGNER_OFF, abi.FIRMWARE_SIGNER_LEN),
      certificates: decodeKeyStore(part(abi.FIRMWARE_KEYS_OFF, abi.FIRMWARE_KEYS_LEN)),
    };
    const answered = this.firmware
      .verify(request)
      .catch(() => abi.REASON_SIG_BAD)
      .then((verdict) => {
        if (current()) core.invoke("hv_firmware_answer", id, verdict);
      })
      .finally(() => this.pending.delete(id));
    this.pending.set(id, answered);
    return 0;
  }

  /** Resolves when every request has its answer. */
  async settled(): Promise<void> {
    while (this.pending.size > 0) await Promise.all(this.pending.values());
  }
}
