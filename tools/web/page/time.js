// SPDX-License-Identifier: MIT

/**
 * @param {number} seconds
 * @returns {string} "1:02.4", with hours where there are any: "1:01:02.4"
 */
export function clock(seconds) {
    const tenths = Math.round(Math.max(0, seconds) * 10);
    const rest = `${Math.floor(tenths / 10) % 60}`.padStart(2, '0');
    const minutes = Math.floor(tenths / 600);
    const tail = `${rest}.${tenths % 10}`;
    if (minutes < 60) return `${minutes}:${tail}`;
    return `${Math.floor(minutes / 60)}:${`${minutes % 60}`.padStart(2, '0')}:${tail}`;
}

/**
 * @param {number} seconds
 * @returns {string} as short as it goes, for marks in a text: "2.4", "1:02"
 */
export function shortClock(seconds) {
    if (seconds < 59.95) return seconds.toFixed(1);
    return clock(Math.floor(seconds)).slice(0, -2);
}

/** @param {number} seconds @returns {string} for speech: "1 minute 2.4 seconds" */
export function spokenTime(seconds) {
    const minutes = Math.floor(seconds / 60);
    const rest = `${(seconds - minutes * 60).toFixed(1)} seconds`;
    return minutes === 0 ? rest : `${minutes} ${minutes === 1 ? 'minute' : 'minutes'} ${rest}`;
}
