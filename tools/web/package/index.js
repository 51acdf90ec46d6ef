// SPDX-License-Identifier: MIT
export { Stt } from './stt.js';
export { SttError } from './errors.js';
export { openMicrophone } from './microphone.js';
export { toText, toSrt, toVtt } from './formats.js';
