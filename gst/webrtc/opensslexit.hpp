// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What OpenSSL does when the process ends.
#pragma once

namespace robotlive {

// Keeps OpenSSL's tables until the process is gone.
//
// OpenSSL frees them in an atexit () handler. GStreamer's pool threads and
// webrtcbin's own, which DTLS has run on, are not joined by then; one that is
// just ending frees its OpenSSL state at the same time, in tables that are no
// longer there: "double free or corruption" or SIGSEGV after the last line of
// main (). Nothing is lost without the handler, as the kernel takes it all.
//
// Counts only for a process in which nobody has used OpenSSL before, and is
// harmless in another. Any thread, any number of times.
void keep_openssl_through_exit ();

} // namespace robotlive
