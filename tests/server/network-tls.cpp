// SPDX-License-Identifier: LGPL-2.1-or-later
//
// TLS: serving, a certificate exchanged while running, hostile handshakes.
#include "network-fixture.hpp"
#include "server/net/tcpstream.hpp"

#include <cstdio>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdexcept>

using namespace robotlive::server;

namespace {

class TemporaryFiles
{
public:
  TemporaryFiles ()
  {
    char name[] = "/tmp/robotlive-tls-XXXXXX";
    if (!mkdtemp (name))
      throw std::runtime_error ("mkdtemp");
    dir = name;
  }
  ~TemporaryFiles ()
  {
    std::remove (certificate ().c_str ());
    std::remove (key ().c_str ());
    ::rmdir (dir.c_str ());
  }
  std::string certificate () const { return dir + "/cert.pem"; }
  std::string key () const { return dir + "/key.pem"; }

  // A new self-signed certificate with this serial number.
  void write (long serial, bool matching_key = true) const
  {
    std::unique_ptr<EVP_PKEY, decltype (&EVP_PKEY_free)> pair (
        EVP_PKEY_Q_keygen (nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free);
    std::unique_ptr<EVP_PKEY, decltype (&EVP_PKEY_free)> other (
        EVP_PKEY_Q_keygen (nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free);
    std::unique_ptr<X509, decltype (&X509_free)> x509 (X509_new (), X509_free);
    ASN1_INTEGER_set (X509_get_serialNumber (x509.get ()), serial);
    X509_gmtime_adj (X509_getm_notBefore (x509.get ()), -60);
    X509_gmtime_adj (X509_getm_notAfter (x509.get ()), 3600);
    X509_set_pubkey (x509.get (), pair.get ());
    X509_sign (x509.get (), pair.get (), EVP_sha256 ());
    std::FILE *file = std::fopen (certificate ().c_str (), "w");
    PEM_write_X509 (file, x509.get ());
    std::fclose (file);
    file = std::fopen (key ().c_str (), "w");
    PEM_write_PrivateKey (file, matching_key ? pair.get () : other.get (),
        nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose (file);
  }

  std::string dir;
};

class TlsClient
{
public:
  // *suites*: of TLS 1.2, which is spoken then.
  explicit TlsClient (std::uint16_t port, const char *suites = nullptr)
      : raw_ (port),
        context_ (SSL_CTX_new (TLS_client_method ()), SSL_CTX_free),
        ssl_ (SSL_new (context_.get ()), SSL_free)
  {
    timeval limit{10, 0};
    setsockopt (raw_.fd (), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL_set_fd (ssl_.get (), raw_.fd ());
    if (suites) {
      SSL_set_max_proto_version (ssl_.get (), TLS1_2_VERSION);
      SSL_set_security_level (ssl_.get (), 0);
      EXPECT_EQ (SSL_set_cipher_list (ssl_.get (), suites), 1) << suites;
    }
    connected = SSL_connect (ssl_.get ()) == 1;
  }
  long serial ()
  {
    std::unique_ptr<X509, decltype (&X509_free)> x509 (
        SSL_get1_peer_certificate (ssl_.get ()), X509_free);
    return x509 ? ASN1_INTEGER_get (X509_get_serialNumber (x509.get ())) : -1;
  }
  bool send (std::string_view bytes)
  {
    return SSL_write (
               ssl_.get (), bytes.data (), static_cast<int> (bytes.size ())) ==
           static_cast<int> (bytes.size ());
  }
  bool receive_until (std::string_view text)
  {
    char buffer[65536];
    while (received.find (text) == std::string::npos) {
      int n = SSL_read (ssl_.get (), buffer, sizeof buffer);
      if (n <= 0)
        return false;
      received.append (buffer, static_cast<std::size_t> (n));
    }
    return true;
  }
  bool open_socket ()
  {
    return send ("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                 "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n") &&
           receive_until ("maxPayload") &&
           send (RawClient::frame (0x81, "40")) && receive_until ("40{\"sid\"");
  }

  bool connected = false;
  std::string received;

private:
  RawClient raw_;
  std::unique_ptr<SSL_CTX, decltype (&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype (&SSL_free)> ssl_;
};

ServerOptions
options (const TemporaryFiles &files)
{
  ServerOptions o;
  o.message_rate = {0, 0};
  o.tls_certificate_file = files.certificate ();
  o.tls_key_file = files.key ();
  o.header_timeout = std::chrono::milliseconds (500);
  return o;
}

} // namespace

TEST (NetworkTls, SpeaksForwardSecretSuitesAlone)
{
  TemporaryFiles files;
  files.write (1);
  RunningServer server (options (files), true);
  for (const char *good : {"ECDHE-ECDSA-AES128-GCM-SHA256",
           "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"})
    EXPECT_TRUE (TlsClient (server.port (), good).connected) << good;
  for (const char *bad : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
           "AES128-SHA", "AES128-SHA256", "AES256-GCM-SHA384",
           "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM"})
    EXPECT_FALSE (TlsClient (server.port (), bad).connected) << bad;
}

TEST (NetworkTls, ServesLargeMessagesAndExchangesTheCertificate)
{
  TemporaryFiles files;
  files.write (1);
  RunningServer server (options (files), true);
  TlsClient first (server.port ());
  ASSERT_TRUE (first.connected);
  EXPECT_EQ (first.serial (), 1);
  ASSERT_TRUE (first.open_socket ());

  files.write (2);
  server.on_thread ([&server] { server.server ().reload_certificate (); });
  TlsClient second (server.port ());
  ASSERT_TRUE (second.connected);
  EXPECT_EQ (second.serial (), 2);

  // A bad pair is refused; what was there stays.
  files.write (3, false);
  bool refused = false;
  server.on_thread ([&] {
    try {
      server.server ().reload_certificate ();
    } catch (const std::runtime_error &) {
      refused = true;
    }
  });
  EXPECT_TRUE (refused);
  TlsClient third (server.port ());
  EXPECT_EQ (third.serial (), 2);

  // Connections of before go on; 500 kB take many TLS records both ways.
  std::string large (500000, 'x');
  EXPECT_TRUE (first.send (
      RawClient::frame (0x81, "42[\"message\",\"" + large + "\"]")));
  EXPECT_TRUE (first.receive_until ("[\"message-back\",\"" + large + "\"]"));
}

TEST (NetworkTls, HostileHandshakes)
{
  TemporaryFiles files;
  files.write (1);
  RunningServer server (options (files), true);
  RawClient plain (server.port ());
  plain.send ("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE (plain.wait_closed ());
  // A hello cut off and reset, and one that never goes on.
  RawClient cut (server.port ());
  cut.send (std::string ("\x16\x03\x01\x02\x00\x01\x00", 7));
  cut.reset ();
  RawClient silent (server.port ());
  silent.send (std::string ("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_TRUE (silent.wait_closed ());
  EXPECT_TRUE (server.eventually (
      [] (const Counters &c) { return c.connections_now == 0; }));
  EXPECT_EQ (server.counters ().tls_failures, 3u);
  TlsClient good (server.port ());
  EXPECT_TRUE (good.connected && good.open_socket ());
}

// Key updates are for OpenSSL alone: a read must not go on for as long as they
// come, since everybody else waits meanwhile.
TEST (NetworkTls, KeyUpdatesDoNotHoldARead)
{
  TemporaryFiles files;
  files.write (1);
  auto context = net::load_tls_context (files.certificate (), files.key ());
  net::EventLoop loop;
  int pair[2];
  ASSERT_EQ (::socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  net::TcpStream stream (loop, pair[0], context);
  std::unique_ptr<SSL_CTX, decltype (&SSL_CTX_free)> client_context (
      SSL_CTX_new (TLS_client_method ()), SSL_CTX_free);
  std::unique_ptr<SSL, decltype (&SSL_free)> client (
      SSL_new (client_context.get ()), SSL_free);
  SSL_set_fd (client.get (), pair[1]);
  char buffer[64];
  while (SSL_connect (client.get ()) != 1)
    ASSERT_EQ (stream.read (buffer, sizeof buffer), 0);
  ASSERT_EQ (stream.read (buffer, sizeof buffer), 0);
  ASSERT_TRUE (stream.handshake_done ());

  // 54 kB, more than one read takes off the socket.
  BIO *out = BIO_new (BIO_s_mem ());
  SSL_set0_wbio (client.get (), out);
  for (int i = 0; i < 2000; i++) {
    ASSERT_EQ (SSL_key_update (client.get (), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ (SSL_do_handshake (client.get ()), 1);
  }
  ASSERT_EQ (SSL_write (client.get (), "x", 1), 1);
  char *bytes = nullptr;
  long size = BIO_get_mem_data (out, &bytes);
  ASSERT_EQ (::send (pair[1], bytes, static_cast<std::size_t> (size), 0), size);
  EXPECT_EQ (stream.read (buffer, sizeof buffer), 0);
  long n = 0;
  for (int i = 0; i < 2000 && n == 0; i++)
    n = stream.read (buffer, sizeof buffer);
  EXPECT_EQ (n, 1);
  ::close (pair[1]);
}

TEST (NetworkTls, BadFilesAreSaidAtStart)
{
  TemporaryFiles files;
  EXPECT_THROW (NetworkServer server (options (files)), std::runtime_error);
  files.write (1, false);
  EXPECT_THROW (NetworkServer server (options (files)), std::runtime_error);
}
