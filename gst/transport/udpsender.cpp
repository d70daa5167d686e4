// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport/udpsender.hpp"
#include <array>
#include <cerrno>

namespace robotlive {

namespace {

// Messages of one system call.
constexpr std::size_t kMostMessages = 32;

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

// Returns how many datagrams went, of those from *first* on, which is at
// *offset*.
std::size_t
UdpSender::send_some (int fd, const sockaddr *to, socklen_t length,
    std::size_t first, std::size_t offset)
{
  std::array<mmsghdr, kMostMessages> messages;
  std::array<iovec, kMostMessages> parts;
  unsigned used = 0;
  for (; first + used < sizes_.size () && used < kMostMessages; used++) {
    const std::size_t size = sizes_[first + used];
    parts[used] = {data_.data () + offset, size};
    messages[used] = {};
    msghdr &message = messages[used].msg_hdr;
    message.msg_name = const_cast<sockaddr *> (to);
    message.msg_namelen = length;
    message.msg_iov = &parts[used];
    message.msg_iovlen = 1;
    offset += size;
  }
  int sent;
  do
    sent = sendmmsg (fd, messages.data (), used, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent > 0 ? static_cast<std::size_t> (sent) : 0;
}

void
UdpSender::send (int fd, const sockaddr *to, socklen_t length)
{
  for (std::size_t first = 0, offset = 0; first < sizes_.size ();) {
    const std::size_t sent = send_some (fd, to, length, first, offset);
    if (sent == 0)
      break;
    for (std::size_t i = 0; i < sent; i++)
      offset += sizes_[first++];
  }
  sizes_.clear ();
  end_ = 0;
}

} // namespace robotlive
