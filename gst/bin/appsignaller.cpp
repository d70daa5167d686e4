// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/appsignaller.hpp"
#include "robotlive.h"

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
  terms.role = text (message, ROBOTLIVE_FIELD_ROLE);
  terms.grant = text (message, ROBOTLIVE_FIELD_GRANT);
  terms.not_before = time_of (message, ROBOTLIVE_FIELD_NOT_BEFORE);
  terms.expires_at = time_of (message, ROBOTLIVE_FIELD_EXPIRES_AT);
  terms.server_time = time_of (message, ROBOTLIVE_FIELD_SERVER_TIME);
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
    send (gst_structure_new (ROBOTLIVE_CALL_ANSWER, ROBOTLIVE_FIELD_TO,
        G_TYPE_STRING, to.c_str (), ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING,
        peer_id.c_str (), ROBOTLIVE_FIELD_SDP, G_TYPE_STRING, sdp.c_str (),
        nullptr));
  }
  void send_candidate (const std::string &to, const std::string &peer_id,
      const IceCandidate &candidate) override
  {
    send (gst_structure_new (ROBOTLIVE_CALL_ICE_CANDIDATE, ROBOTLIVE_FIELD_TO,
        G_TYPE_STRING, to.c_str (), ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING,
        peer_id.c_str (), ROBOTLIVE_FIELD_CANDIDATE, G_TYPE_STRING,
        candidate.candidate.c_str (), ROBOTLIVE_FIELD_SDP_MID, G_TYPE_STRING,
        candidate.sdp_mid.c_str (), ROBOTLIVE_FIELD_SDP_M_LINE_INDEX,
        G_TYPE_UINT, candidate.sdp_m_line_index, nullptr));
  }
  void send_leave (const std::string &to, const std::string &peer_id,
      const std::string &reason) override
  {
    send (gst_structure_new (ROBOTLIVE_CALL_LEAVE, ROBOTLIVE_FIELD_TO,
        G_TYPE_STRING, to.c_str (), ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING,
        peer_id.c_str (), ROBOTLIVE_FIELD_REASON, G_TYPE_STRING,
        reason.c_str (), nullptr));
  }
  void send_limit (const std::string &to, const std::string &peer_id,
      const std::string &limit) override
  {
    send (gst_structure_new (ROBOTLIVE_CALL_PICTURE_LIMIT, ROBOTLIVE_FIELD_TO,
        G_TYPE_STRING, to.c_str (), ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING,
        peer_id.c_str (), ROBOTLIVE_FIELD_LIMIT, G_TYPE_STRING, limit.c_str (),
        nullptr));
  }
  void send_error (const std::string &to, const std::string &peer_id,
      const std::string &code, const std::string &message) override
  {
    send (gst_structure_new (ROBOTLIVE_CALL_ERROR, ROBOTLIVE_FIELD_TO,
        G_TYPE_STRING, to.c_str (), ROBOTLIVE_FIELD_PEER_ID, G_TYPE_STRING,
        peer_id.c_str (), ROBOTLIVE_FIELD_CODE, G_TYPE_STRING, code.c_str (),
        ROBOTLIVE_FIELD_MESSAGE, G_TYPE_STRING, message.c_str (), nullptr));
  }

private:
  void send (GstStructure *message)
  {
    g_signal_emit_by_name (element_, ROBOTLIVE_SIGNAL_SEND_MESSAGE, message);
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
  const auto from = text (message, ROBOTLIVE_FIELD_FROM),
             peer_id = text (message, ROBOTLIVE_FIELD_PEER_ID);
  const auto reason = text (message, ROBOTLIVE_FIELD_REASON);
  if (peer_id.empty ())
    return nullptr;
  if (name == ROBOTLIVE_CALL_LEAVE)
    return [=] (SignallerListener &listener) {
      listener.on_leave (peer_id, reason);
    };
  if (name == ROBOTLIVE_CALL_SESSION_ENDED)
    return [=] (SignallerListener &listener) {
      listener.on_session_ended (peer_id, reason);
    };
  const auto terms = terms_of (message);
  if (name == ROBOTLIVE_CALL_SESSION_UPDATED && terms)
    return [=] (SignallerListener &listener) {
      listener.on_session_updated (peer_id, *terms);
    };
  if (from.empty ())
    return nullptr;
  if (name == ROBOTLIVE_CALL_OFFER &&
      gst_structure_has_field (message, ROBOTLIVE_FIELD_SDP))
    return [=, sdp = text (message, ROBOTLIVE_FIELD_SDP)] (
               SignallerListener &listener) {
      listener.on_offer (from, peer_id, sdp, terms);
    };
  if (name == ROBOTLIVE_CALL_ICE_CANDIDATE &&
      gst_structure_has_field (message, ROBOTLIVE_FIELD_CANDIDATE)) {
    IceCandidate candidate;
    candidate.candidate = text (message, ROBOTLIVE_FIELD_CANDIDATE);
    candidate.sdp_mid = text (message, ROBOTLIVE_FIELD_SDP_MID);
    gst_structure_get_uint (
        message, ROBOTLIVE_FIELD_SDP_M_LINE_INDEX, &candidate.sdp_m_line_index);
    return [=] (SignallerListener &listener) {
      listener.on_candidate (from, peer_id, candidate);
    };
  }
  return nullptr;
}

} // namespace robotlive
