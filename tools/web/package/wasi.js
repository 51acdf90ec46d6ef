// SPDX-License-Identifier: MIT
//
// The part of WASI (preview 1) that wasi-libc pulls in: no files, no arguments, no environment.

const ERRNO_BADF = 8;
const ERRNO_NOSYS = 52;

/**
 * @param memory () => ArrayBuffer of the module
 * @param print (text) what the module writes to its standard outputs
 */
export function wasiImports(memory, print) {
    const utf8 = new TextDecoder();
    const view = () => new DataView(memory());

    const write = (fd, vectors, count, written) => {
        let bytes = 0;
        let text = '';
        for (let i = 0; i < count; i++) {
            const at = view().getUint32(vectors + 8 * i, true);
            const length = view().getUint32(vectors + 8 * i + 4, true);
            text += utf8.decode(new Uint8Array(memory(), at, length));
            bytes += length;
        }
        print(text);
        view().setUint32(written, bytes, true);
        return 0;
    };
    const none = (count, size) => {
        view().setUint32(count, 0, true);
        view().setUint32(size, 0, true);
        return 0;
    };
    const clock = { 0: () => Date.now(), 1: () => performance.now() };

    return {
        fd_write: (fd, ...rest) => (fd === 1 || fd === 2 ? write(fd, ...rest) : ERRNO_BADF),
        fd_close: () => ERRNO_BADF,
        fd_read: () => ERRNO_BADF,
        fd_seek: () => ERRNO_BADF,
        fd_fdstat_get: () => ERRNO_BADF,
        fd_prestat_get: () => ERRNO_BADF,
        fd_prestat_dir_name: () => ERRNO_BADF,
        environ_sizes_get: none,
        environ_get: () => 0,
        args_sizes_get: none,
        args_get: () => 0,
        sched_yield: () => 0,
        poll_oneoff: () => ERRNO_NOSYS,
        clock_time_get: (id, precision, to) => {
            if (!clock[id]) return ERRNO_NOSYS;
            view().setBigUint64(to, BigInt(Math.round(clock[id]() * 1e6)), true);
            return 0;
        },
        random_get: (to, length) => {
            for (let at = 0; at < length; at += 65536)
                crypto.getRandomValues(
                    new Uint8Array(memory(), to + at, Math.min(65536, length - at)),
                );
            return 0;
        },
        proc_exit: (code) => {
            throw new Error(`The module exited with ${code}.`);
        },
    };
}
