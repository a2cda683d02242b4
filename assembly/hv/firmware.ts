// Services of the platform's firmware, as a hypervisor would reach them through EFI runtime calls:
// the RFC leaves the cryptography of signatures to it (S:900-902). The record at `request_off` is
// described in abi.ts (FIRMWARE_*). 0: the answer comes, now or later, through the export
// hv_firmware_answer.

// @ts-ignore: decorator
@external("hv", "firmware")
export declare function firmware(request_off: usize): i32;
