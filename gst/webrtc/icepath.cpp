// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/icepath.hpp"
#include "webrtc/findelement.hpp"
#include "webrtc/internals.hpp"
#include <fcntl.h>
#include <netinet/in.h>
#include <nice/agent.h>
#include <unistd.h>

namespace robotlive {

IcePath::~IcePath ()
{
  use (nullptr);
}

void
IcePath::find (GstElement *encrypter)
{
  if (!internal_holds (Internal::DirectSend))
    return;
  // transportsendbin: dtlssrtpenc (srtpenc, ...), nicesink
  const auto inner = adopt (gst_object_get_parent (GST_OBJECT (encrypter)));
  const auto outer = adopt (inner ? gst_object_get_parent (inner.get ())
                                  : static_cast<GstObject *> (nullptr));
  GPtr<GstElement> sink;
  if (outer && GST_IS_BIN (outer.get ()))
    sink = find_element (GST_ELEMENT (outer.get ()), "nicesink");
  GObject *agent = nullptr;
  if (sink)
    g_object_get (sink.get (), "agent", &agent, "stream", &stream_, "component",
        &component_, nullptr);
  agent_ = adopt (agent);
  if (!agent_ || !NICE_IS_AGENT (agent)) {
    agent_.reset ();
    internal_failed (Internal::DirectSend);
  }
}

void
IcePath::use (GPtr<GSocket> socket)
{
  if (fd_ >= 0)
    close (fd_);
  fd_ = -1;
  socket_ = std::move (socket);
  // libnice may close its own at any time, and another file get its number.
  if (socket_)
    fd_ = fcntl (g_socket_get_fd (socket_.get ()), F_DUPFD_CLOEXEC, 0);
}

bool
IcePath::look ()
{
  if (!agent_)
    return false;
  auto *agent = NICE_AGENT (agent_.get ());
  // RFC 7675: the peer has taken back its consent, or is not there to give it.
  // libnice lets nothing through then.
  if (nice_agent_get_component_state (agent, stream_, component_) ==
      NICE_COMPONENT_STATE_FAILED)
    return false;
  auto socket =
      adopt (nice_agent_get_selected_socket (agent, stream_, component_));
  NiceCandidate *local = nullptr, *remote = nullptr;
  if (!socket || !nice_agent_get_selected_pair (
                     agent, stream_, component_, &local, &remote))
    return false;
  if (socket != socket_)
    use (std::move (socket));
  if (fd_ < 0)
    return false;
  // Still libnice's, but nothing changes it, and what was selected is freed
  // with the agent, which is held here, or at the second ICE restart: a viewer
  // that wants even one gets a new webrtcbin.
  nice_address_copy_to_sockaddr (
      &remote->addr, reinterpret_cast<sockaddr *> (&address_));
  length_ = address_.ss_family == AF_INET6 ? sizeof (sockaddr_in6)
                                           : sizeof (sockaddr_in);
  return true;
}

} // namespace robotlive
