// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The stage in a small window that stays on top (Document Picture-in-Picture):
// all that stands on it is seen there, which no picture in picture of a
// <video> shows. Only in a secure context, and not in every browser.

let small = null; // the window, while the stage is in it
let opening = false;

export const hasSmallWindow = () => 'documentPictureInPicture' in window;
export const smallWindow = () => small;

// Wherever the stage is.
export const find = id => document.getElementById(id)
  ?? small?.document.getElementById(id) ?? null;

// It looks as the page does.
function dress(target) {
  target.documentElement.lang = document.documentElement.lang;
  target.title = document.title;
  target.body.className = 'small';
  for (const element of document.querySelectorAll(
    'link[rel="stylesheet"], meta[name="color-scheme"]')) {
    const copy = target.importNode(element, true);
    if (element.href)
      copy.href = element.href;
    target.head.append(copy);
  }
}

// Moves *stage* there, and *substitute* into its place until the window closes.
// *moved* () is called each time. Needs a click; rejects without one.
export async function openSmallWindow(stage, substitute, moved) {
  if (small || opening)
    return;
  opening = true;
  const { width, height } = stage.getBoundingClientRect();
  try {
    const opened = await window.documentPictureInPicture.requestWindow({
      width: Math.round(Math.min(width, 480)),
      height: Math.round(Math.min(width, 480) * height / width) });
    small = opened;
    dress(opened.document);
    opened.addEventListener('pagehide', () => {
      if (small !== opened)
        return;
      small = null;
      substitute.hidden = true;
      substitute.before(stage);
      moved();
    });
    substitute.hidden = false;
    opened.document.body.append(stage);
    moved();
  } finally {
    opening = false;
  }
}

export const closeSmallWindow = () => small?.close();
