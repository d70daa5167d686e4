// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The page behind a password link, "#/password/SECRET": a new password for an
// account, without a login. The link works once.

import * as api from './api.js';
import { passwordText } from './text.js';
import { $, notice } from './stage.js';

// The secret of a password link, or null.
export const linkedSecret = ({ hash }) =>
  /^#\/password\/([\w-]{16,256})$/.exec(hash)?.[1] ?? null;

// Shows the form; *done* () once the password is set. The secret leaves the
// address bar and the history at once.
export function askPassword(secret, done) {
  history.replaceState(null, '', location.pathname + location.search);
  $('login').hidden = true;
  $('new-password')?.remove();
  $('password-view').before($('password-view').content.cloneNode(true));
  $('new-password-form').onsubmit = async event => {
    event.preventDefault();
    const button = $('new-password-button');
    button.disabled = true;
    notice('new-password-notice', null);
    try {
      await api.setPassword(secret, $('chosen-password').value);
      $('new-password').remove();
      done();
      return;
    } catch (error) {
      notice('new-password-notice', passwordText(error));
      $('chosen-password').focus();
    }
    button.disabled = false;
  };
  $('chosen-password').focus();
}
