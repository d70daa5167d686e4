// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A process that has made a signalingbin ends without OpenSSL's exit handler,
// which would pull its tables from under threads that are still ending.
#include "bin/gstsignalingbin.h"
#include "gate/gstsessiongate.h"
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <gst/gst.h>
#include <openssl/err.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr int kCleanedUp = 7;

void
make_signaling_bin ()
{
  gst_init (nullptr, nullptr);
  GST_ELEMENT_REGISTER (sessiongate, nullptr);
  GST_ELEMENT_REGISTER (signalingbin, nullptr);
  gst_object_unref (
      gst_object_ref_sink (gst_element_factory_make ("signalingbin", nullptr)));
}

// OpenSSL calls this from its exit handler.
void
note_clean_up ()
{
  _exit (kCleanedUp);
}

// Threads that end, with their OpenSSL state, while the process does.
void
leave_with_threads ()
{
  static std::atomic<bool> go{false};
  static std::atomic<int> ready{0};
  constexpr int count = 32;
  OPENSSL_init_crypto (OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr);
  for (int i = 0; i < count; i++)
    std::thread ([] () {
      ERR_clear_error ();
      ready++;
      while (!go)
        std::this_thread::yield ();
    }).detach ();
  while (ready < count)
    std::this_thread::yield ();
  go = true;
}

// How a process ends that makes a bin, if *with_bin*, then runs *body*.
int
end_of (bool with_bin, void (*body) ())
{
  const pid_t child = fork ();
  if (child == 0) {
    if (with_bin)
      make_signaling_bin ();
    body ();
    std::exit (0);
  }
  int status = 0;
  if (child < 0 || waitpid (child, &status, 0) != child)
    return -1;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

bool
is (const char *what, int wanted, int got)
{
  if (wanted != got)
    std::fprintf (stderr, "%s: ended with %d, not %d\n", what, got, wanted);
  return wanted == got;
}

} // namespace

int
main ()
{
  const auto watch = [] () {
    // As anything does that needs OpenSSL.
    OPENSSL_init_crypto (OPENSSL_INIT_LOAD_CRYPTO_STRINGS, nullptr);
    OPENSSL_atexit (note_clean_up);
  };
  // Without our plugin OpenSSL does clean up, or the test would see nothing.
  bool ok = is ("plain OpenSSL", kCleanedUp, end_of (false, watch));
  ok &= is ("with a signalingbin", 0, end_of (true, watch));
  for (int i = 0; i < 50 && ok; i++)
    ok &= is ("threads at the end", 0, end_of (true, leave_with_threads));
  return ok ? 0 : 1;
}
