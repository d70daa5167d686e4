// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/appsignaller.hpp"

namespace robotlive {

namespace {

std::string
text (const GstStructure *message, const char *field)
{
  const char *value = gst_structure_get_string (message, field);
  return value ? value : "";
}

TimeMs
time_of (const GstStructure *message, const char *field)
{
  gint64 value = 0;
  gst_structure_get_int64 (message, field, &value);
  return value;
}

// None without a grant and without an end: nobody has said anything.
std::optional<SessionTerms>
terms_of (const GstStructure *message)
{
  SessionTerms terms;
  terms.role = text (message, "role");
  terms.grant = text (message, "grant");
  terms.not_before = time_of (message, "not-before");
  terms.expires_at = time_of (message, "expires-at");
  terms.server_time = time_of (message, "server-time");
  if (terms.grant.empty () && terms.expires_at == 0)
    return std::nullopt;
  return terms;
}

class AppSignaller final : public Signaller
{
public:
  explicit AppSignaller (GstElement *element) : element_ (element) {}

  void start (SignallerListener *listener) override
  {
    listener->on_link_state (LinkState::Registered);
    listener->on_registered ({}, std::nullopt);
  }
  void stop () override {}
  void send_answer (const std::string &to, const std::string &peer_id,
      const std::string &sdp) override
  {
    send (gst_structure_new ("answer", "to", G_TYPE_STRING, to.c_str (),
        "peer-id", G_TYPE_STRING, peer_id.c_str (), "sdp", G_TYPE_STRING,
        sdp.c_str (), nullptr));
  }
  void send_candidate (const std::string &to, const std::string &peer_id,
      const IceCandidate &candidate) override
  {
    send (gst_structure_new ("ice-candidate", "to", G_TYPE_STRING, to.c_str (),
        "peer-id", G_TYPE_STRING, peer_id.c_str (), "candidate", G_TYPE_STRING,
        candidate.candidate.c_str (), "sdp-mid", G_TYPE_STRING,
        candidate.sdp_mid.c_str (), "sdp-m-line-index", G_TYPE_UINT,
        candidate.sdp_m_line_index, nullptr));
  }
  void send_leave (const std::string &to, const std::string &peer_id,
      const std::string &reason) override
  {
    send (gst_structure_new ("leave", "to", G_TYPE_STRING, to.c_str (),
        "peer-id", G_TYPE_STRING, peer_id.c_str (), "reason", G_TYPE_STRING,
        reason.c_str (), nullptr));
  }
  void send_limit (const std::string &to, const std::string &peer_id,
      const std::string &limit) override
  {
    send (gst_structure_new ("picture-limit", "to", G_TYPE_STRING, to.c_str (),
        "peer-id", G_TYPE_STRING, peer_id.c_str (), "limit", G_TYPE_STRING,
        limit.c_str (), nullptr));
  }
  void send_error (const std::string &to, const std::string &peer_id,
      const std::string &code, const std::string &message) override
  {
    send (gst_structure_new ("error", "to", G_TYPE_STRING, to.c_str (),
        "peer-id", G_TYPE_STRING, peer_id.c_str (), "code", G_TYPE_STRING,
        code.c_str (), "message", G_TYPE_STRING, message.c_str (), nullptr));
  }

private:
  void send (GstStructure *message)
  {
    g_signal_emit_by_name (element_, "send-message", message);
    gst_structure_free (message);
  }

  GstElement *const element_;
};

} // namespace

std::unique_ptr<Signaller>
make_app_signaller (GstElement *element)
{
  return std::make_unique<AppSignaller> (element);
}

std::function<void (SignallerListener &)>
read_app_message (const GstStructure *message)
{
  const std::string name = gst_structure_get_name (message);
  const auto from = text (message, "from"), peer_id = text (message, "peer-id");
  const auto reason = text (message, "reason");
  if (peer_id.empty ())
    return nullptr;
  if (name == "leave")
    return [=] (SignallerListener &listener) {
      listener.on_leave (peer_id, reason);
    };
  if (name == "session-ended")
    return [=] (SignallerListener &listener) {
      listener.on_session_ended (peer_id, reason);
    };
  const auto terms = terms_of (message);
  if (name == "session-updated" && terms)
    return [=] (SignallerListener &listener) {
      listener.on_session_updated (peer_id, *terms);
    };
  if (from.empty ())
    return nullptr;
  if (name == "offer" && gst_structure_has_field (message, "sdp"))
    return [=, sdp = text (message, "sdp")] (SignallerListener &listener) {
      listener.on_offer (from, peer_id, sdp, terms);
    };
  if (name == "ice-candidate" &&
      gst_structure_has_field (message, "candidate")) {
    IceCandidate candidate;
    candidate.candidate = text (message, "candidate");
    candidate.sdp_mid = text (message, "sdp-mid");
    gst_structure_get_uint (
        message, "sdp-m-line-index", &candidate.sdp_m_line_index);
    return [=] (SignallerListener &listener) {
      listener.on_candidate (from, peer_id, candidate);
    };
  }
  return nullptr;
}

} // namespace robotlive
