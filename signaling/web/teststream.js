// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A picture that this browser draws, encodes, sends to itself and decodes: when
// it is seen, whatever is wrong with a robot's picture is not the browser.

const WIDTH = 1280;
const HEIGHT = 720;
const FPS = 30;

export class TestStream {
  #canvas = document.createElement('canvas');
  #sender = new RTCPeerConnection();
  #receiver = new RTCPeerConnection();
  #ticker;

  get receiver() {
    return this.#receiver;
  }

  // Resolves to the received stream.
  async start() {
    this.#canvas.width = WIDTH;
    this.#canvas.height = HEIGHT;
    const reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#draw(reduced);
    this.#ticker = setInterval(() => this.#draw(reduced), 1000 / FPS);
    const source = this.#canvas.captureStream(FPS);
    this.#sender.addTrack(source.getVideoTracks()[0], source);
    const relay = (from, to) => {
      from.onicecandidate = event =>
        to.addIceCandidate(event.candidate).catch(() => {});
    };
    relay(this.#sender, this.#receiver);
    relay(this.#receiver, this.#sender);
    const stream = new Promise(resolve => {
      this.#receiver.ontrack = event => resolve(event.streams[0]);
    });
    await this.#sender.setLocalDescription();
    await this.#receiver.setRemoteDescription(this.#sender.localDescription);
    await this.#receiver.setLocalDescription();
    await this.#sender.setRemoteDescription(this.#receiver.localDescription);
    return stream;
  }

  stop() {
    clearInterval(this.#ticker);
    this.#sender.close();
    this.#receiver.close();
  }

  #draw(reduced) {
    const context = this.#canvas.getContext('2d');
    const now = new Date();
    const bars = ['#c0c0c0', '#c0c000', '#00c0c0', '#00c000', '#c000c0',
      '#c00000', '#0000c0'];
    bars.forEach((colour, index) => {
      context.fillStyle = colour;
      context.fillRect(index * WIDTH / 7, 0, WIDTH / 7 + 1, HEIGHT);
    });
    context.fillStyle = '#101418';
    context.fillRect(0, HEIGHT * 0.62, WIDTH, HEIGHT * 0.38);
    if (!reduced) {
      const phase = (now.getTime() % 4000) / 4000;
      context.fillStyle = '#ffffff';
      context.fillRect(phase * WIDTH, HEIGHT * 0.6, 24, HEIGHT * 0.04);
    }
    context.fillStyle = '#ffffff';
    context.textAlign = 'center';
    context.font = '600 96px ui-monospace, monospace';
    context.fillText(now.toTimeString().slice(0, 8)
      + '.' + String(now.getMilliseconds()).padStart(3, '0'),
    WIDTH / 2, HEIGHT * 0.8);
    context.font = '32px system-ui, sans-serif';
    context.fillText('Test stream of this browser', WIDTH / 2, HEIGHT * 0.9);
  }
}
