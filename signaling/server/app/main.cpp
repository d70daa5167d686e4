// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/app.hpp"
#include "server/app/cli.hpp"
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstring>
#include <iostream>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

using namespace robotlive::server;

// As sysexits.h has them: a script can tell its own mistake from a server's.
static int
exit_status (const std::exception &error)
{
  if (auto *command = dynamic_cast<const CommandError *> (&error))
    return command->status;
  if (dynamic_cast<const ConfigError *> (&error))
    return EX_CONFIG;
  auto *store = dynamic_cast<const StoreError *> (&error);
  if (!store)
    return EX_UNAVAILABLE;
  switch (store->kind) {
    case StoreError::Conflict:
      return EX_DATAERR;
    case StoreError::NotFound:
      return EX_NOINPUT;
    case StoreError::Invalid:
      return EX_CONFIG;
    case StoreError::Unavailable:
      break;
  }
  bool denied = std::strstr (error.what (), std::strerror (EACCES)) != nullptr;
  return denied ? EX_NOPERM : EX_UNAVAILABLE;
}

int
main (int argc, char **argv)
{
  // Asked for before there is anything to read again, a reload waits for it.
  sigset_t hangup;
  sigemptyset (&hangup);
  sigaddset (&hangup, SIGHUP);
  pthread_sigmask (SIG_BLOCK, &hangup, nullptr);
  std::setlocale (LC_CTYPE, "");
#ifdef __GLIBC__
  // A TLS connection takes and gives back two buffers for each message. Left
  // alone, the heap's end goes back to the kernel and is asked for again.
  mallopt (M_TRIM_THRESHOLD, 4 << 20);
  mallopt (M_MMAP_THRESHOLD, 128 << 10); // so that large ones still go back
#endif
  umask (0077); // the database and its journals hold secrets
  if (sodium_init () < 0) {
    std::cerr << "robotlive-signaling: no source of randomness" << std::endl;
    return 1;
  }
  try {
    CommandLine line = parse_command_line (argc, argv);
    if (line.command != "serve") {
      pthread_sigmask (SIG_UNBLOCK, &hangup, nullptr);
      return run_command (line);
    }
    // Keys, tokens and passwords being typed are in its memory.
    rlimit no_core{0, 0};
    setrlimit (RLIMIT_CORE, &no_core);
#ifndef __SANITIZE_ADDRESS__    // which looks for leaks as a debugger does
    prctl (PR_SET_DUMPABLE, 0); // no debugger of the same user either
#endif
    App app (configure (line), [line] { return configure (line); });
    app.run ();
    return 0;
  } catch (const std::exception &error) {
    std::cerr << "robotlive-signaling: " << error.what () << std::endl;
    return exit_status (error);
  }
}
