// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reads the small files that a configuration names: regular ones alone, so that
// a FIFO or a device neither hangs the reader nor fills its memory.
#pragma once
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace robotlive {

struct FileText
{
  std::string text;
  bool exposed = false; // users outside its group may read it
};

// *error*: what is wrong, with the path in it and without the content.
inline bool
read_regular_file (const std::string &path, std::size_t limit, FileText *out,
    std::string *error)
{
  const auto fail = [&] (const std::string &why) {
    *error = path + ": " + why;
    return false;
  };
  // Not blocking: a FIFO is opened at once, and refused.
  const int fd =
      open (path.c_str (), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return fail (strerror (errno));
  struct stat status = {};
  constexpr std::size_t step = 64 * 1024;
  std::string text;
  std::size_t size = 0;
  int failed = fstat (fd, &status) == 0 ? 0 : errno;
  const bool regular = !failed && S_ISREG (status.st_mode);
  while (regular && size <= limit) {
    text.resize (std::min (size + step, limit + 1));
    const ssize_t count = read (fd, text.data () + size, text.size () - size);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      failed = errno;
    if (count <= 0)
      break;
    size += static_cast<std::size_t> (count);
  }
  close (fd);
  if (failed)
    return fail (strerror (failed));
  if (!regular)
    return fail ("not a regular file");
  if (size > limit)
    return fail ("larger than " + std::to_string (limit) + " bytes");
  text.resize (size);
  out->text = std::move (text);
  out->exposed = (status.st_mode & S_IRWXO) != 0;
  return true;
}

} // namespace robotlive
