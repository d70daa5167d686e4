// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A network namespace for the viewer, with one link to it that can be made
// bad in the direction from robot to viewer. netem is not in every kernel:
// loss, delay and jitter are by NFQUEUE (rig/impair.cpp) inside the namespace,
// so that nothing of them outlives it; the rate is by tbf on the way in.
import path from 'node:path';
import { output, rigs, start } from './common.mjs';

let opened = 0;

export function openLink() {
  const index = opened++;
  const number = (process.pid + 125 * index) % 250;
  const name = `rlbench${process.pid}n${index}`;
  const [near, far] = ['a', 'b'].map((end) =>
    `rlb${process.pid % 100000}${end}${index}`);
  const host = `10.231.${number}.1`;
  const ip = (...args) => output('ip', args, { stdio: 'pipe' });
  const inside = (...args) => ip('netns', 'exec', name, ...args);
  const close = () => {
    for (const what of [['link', 'del', near], ['netns', 'del', name]])
      try { ip(...what); } catch { /* gone already */ }
  };
  process.on('exit', close);
  ip('netns', 'add', name);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
  ip('addr', 'add', `${host}/30`, 'dev', near);
  ip('link', 'set', near, 'up');
  inside('ip', 'addr', 'add', `10.231.${number}.2/30`, 'dev', far);
  inside('ip', 'link', 'set', far, 'up');
  inside('ip', 'link', 'set', 'lo', 'up');
  // Without a default route Chromium gathers no candidates.
  inside('ip', 'route', 'add', 'default', 'via', host);
  let impair = null;
  return {
    namespace: name, host, close,
    // Nothing passes, either way.
    cut(off) {
      for (const chain of ['INPUT', 'OUTPUT'])
        inside('iptables', off ? '-I' : '-D', chain, '-j', 'DROP');
    },
    // loss in percent, delay and jitter in ms, rate in Mbit/s (0: unlimited),
    // queue: ms that a packet may wait for it.
    async set({ loss = 0, delay = 0, jitter = 0, rate = 0, queue = 200 }) {
      if (impair) {
        inside('iptables', '-F', 'INPUT');
        await impair.stop();
        impair = null;
      }
      // In place: what waits in the queue stays there.
      if (rate)
        output('tc', ['qdisc', 'replace', 'dev', near, 'root', 'tbf', 'rate',
          `${rate}mbit`, 'burst', '8kb', 'latency', `${queue}ms`]);
      else
        try {
          output('tc', ['qdisc', 'del', 'dev', near, 'root'], { stdio: 'pipe' });
        } catch { /* none there */ }
      if (loss || delay || jitter) {
        impair = start(path.join(rigs, 'impair'),
          ['1', loss, delay, jitter].map(String), { namespace: name });
        await impair.line((line) => line === 'ready');
        inside('iptables', '-A', 'INPUT', '-p', 'udp', '-j', 'NFQUEUE',
          '--queue-num', '1');
      }
    },
  };
}
