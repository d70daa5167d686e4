// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What getStats () says about one received video, as figures per second.

// *report*: RTCStatsReport or any iterable of [id, stats]; *previous*: the last
// return value or null. Returns null as long as no video arrives, else
// {at, bytes, frames, received, lost, fps, bitrate, width, height, rtt, loss}:
// at in ms, bitrate in bit/s, rtt in ms, loss in per cent of the packets since
// *previous*; undefined where the browser does not say.
export function summarize(report, previous) {
  const all = new Map(report);
  let video = null;
  let transport = null;
  for (const stats of all.values()) {
    if (stats.type === 'inbound-rtp' && stats.kind === 'video')
      video = stats;
    else if (stats.type === 'transport')
      transport = stats;
  }
  if (!video)
    return null;
  const now = {
    at: video.timestamp,
    bytes: video.bytesReceived ?? 0,
    frames: video.framesDecoded ?? 0,
    received: video.packetsReceived ?? 0,
    lost: video.packetsLost ?? 0,
    width: video.frameWidth,
    height: video.frameHeight,
    rtt: roundTrip(all, transport),
  };
  const seconds = previous ? (now.at - previous.at) / 1000 : 0;
  if (seconds > 0) {
    now.fps = (now.frames - previous.frames) / seconds;
    now.bitrate = 8 * (now.bytes - previous.bytes) / seconds;
    const lost = Math.max(0, now.lost - previous.lost);
    const sent = lost + now.received - previous.received;
    now.loss = sent > 0 ? 100 * lost / sent : 0;
  }
  return now;
}

function roundTrip(all, transport) {
  let pair = all.get(transport?.selectedCandidatePairId);
  if (!pair) { // Firefox has no transport statistics
    for (const stats of all.values()) {
      if (stats.type === 'candidate-pair' && stats.nominated
          && stats.state === 'succeeded')
        pair = stats;
    }
  }
  return pair?.currentRoundTripTime === undefined
    ? undefined : pair.currentRoundTripTime * 1000;
}
