/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * LD_PRELOAD: each fsync takes as long as on a bad SD card (10 ms, or
 * SLOWDISK_US microseconds). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void
wait_for_disk (void)
{
  const char *text = getenv ("SLOWDISK_US");
  usleep (text ? (useconds_t) atoi (text) : 10000);
}

int
fsync (int fd)
{
  int (*real) (int) = (int (*) (int)) dlsym (RTLD_NEXT, "fsync");
  wait_for_disk ();
  return real (fd);
}

int
fdatasync (int fd)
{
  int (*real) (int) = (int (*) (int)) dlsym (RTLD_NEXT, "fdatasync");
  wait_for_disk ();
  return real (fd);
}
