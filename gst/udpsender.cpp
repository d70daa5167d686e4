// SPDX-License-Identifier: LGPL-2.1-or-later
#include "udpsender.hpp"
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/udp.h>

namespace robotlive {

namespace {

// Linux, <linux/udp.h>: UDP_MAX_SEGMENTS, 128 since 6.9.
constexpr std::size_t kMostSegments = 64;
constexpr std::size_t kMostBytes = 60000; // of a message; IPv4 has 65,507
// Messages of one system call.
constexpr std::size_t kMostMessages = 32;

// Linux before 4.18 does not know UDP_SEGMENT, and would send one datagram.
bool
knows_segments (int fd)
{
  int size = 0;
  socklen_t length = sizeof size;
  return getsockopt (fd, IPPROTO_UDP, UDP_SEGMENT, &size, &length) == 0;
}

// No checksums by the device, IPsec, no checksums at all, packets larger than
// the path's: it may still take them one by one.
bool
refused (int error)
{
  return error == EIO || error == EINVAL || error == EMSGSIZE ||
         error == EOPNOTSUPP || error == ENOPROTOOPT;
}

union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE (sizeof (std::uint16_t))> space;
};

void
set_segment (msghdr *message, Control *control, std::size_t size)
{
  *control = {};
  message->msg_control = control;
  message->msg_controllen = sizeof control->space;
  cmsghdr *header = CMSG_FIRSTHDR (message);
  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN (sizeof (std::uint16_t));
  const auto value = static_cast<std::uint16_t> (size);
  std::memcpy (CMSG_DATA (header), &value, sizeof value);
}

} // namespace

std::uint8_t *
UdpSender::room (std::size_t size)
{
  if (data_.size () < end_ + size)
    data_.resize (end_ + size);
  return data_.data () + end_;
}

void
UdpSender::add (std::size_t size)
{
  end_ += size;
  sizes_.push_back (size);
}

std::size_t
UdpSender::group (std::size_t first, std::size_t *bytes) const
{
  const std::size_t size = sizes_[first];
  std::size_t next = first + 1;
  *bytes = size;
  // All of one size, but the last, which may be smaller.
  while (together_ && segments_ == Segments::Yes && next < sizes_.size () &&
         next - first < kMostSegments && sizes_[next] <= size &&
         *bytes + sizes_[next] <= kMostBytes) {
    *bytes += sizes_[next];
    if (sizes_[next++] < size)
      break;
  }
  return next - first;
}

// Returns how many datagrams went, and in *bytes* how much; 0: errno says why.
std::size_t
UdpSender::send_some (int fd, const sockaddr *to, socklen_t length,
    std::size_t first, std::size_t offset, std::size_t *bytes)
{
  std::array<mmsghdr, kMostMessages> messages;
  std::array<iovec, kMostMessages> parts;
  std::array<Control, kMostMessages> controls;
  std::array<std::size_t, kMostMessages> counts;
  unsigned used = 0;
  for (std::size_t next = first; next < sizes_.size () && used < kMostMessages;
       used++) {
    std::size_t size = 0;
    counts[used] = group (next, &size);
    parts[used] = {data_.data () + offset, size};
    messages[used] = {};
    msghdr &message = messages[used].msg_hdr;
    message.msg_name = const_cast<sockaddr *> (to);
    message.msg_namelen = length;
    message.msg_iov = &parts[used];
    message.msg_iovlen = 1;
    if (counts[used] > 1)
      set_segment (&message, &controls[used], sizes_[next]);
    next += counts[used];
    offset += size;
  }
  int sent;
  do
    sent = sendmmsg (fd, messages.data (), used, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  std::size_t count = 0;
  *bytes = 0;
  for (int i = 0; i < sent; i++) {
    count += counts[static_cast<std::size_t> (i)];
    *bytes += parts[static_cast<std::size_t> (i)].iov_len;
  }
  return count;
}

void
UdpSender::send (int fd, const sockaddr *to, socklen_t length, bool together)
{
  together_ = together;
  if (segments_ == Segments::Unknown)
    segments_ = knows_segments (fd) ? Segments::Yes : Segments::No;
  for (std::size_t first = 0, offset = 0; first < sizes_.size ();) {
    std::size_t bytes = 0;
    const std::size_t sent = send_some (fd, to, length, first, offset, &bytes);
    if (sent == 0) {
      if (segments_ == Segments::No || !refused (errno))
        break;
      segments_ = Segments::No;
    }
    first += sent;
    offset += bytes;
  }
  sizes_.clear ();
  end_ = 0;
}

} // namespace robotlive
