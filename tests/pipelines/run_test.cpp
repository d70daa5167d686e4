// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The programs as their users and systemd run them.
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <glib.h>
#include <glib/gstdio.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <sysexits.h>
#include <vector>

namespace {

struct Outcome
{
  int status = -1; // exit status
  std::string out;
  std::string err;
};

class Run : public testing::Test
{
protected:
  void SetUp () override
  {
    gchar *made = g_dir_make_tmp ("robotlive-run-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    folder_ = made;
    g_free (made);
  }

  void TearDown () override
  {
    for (const std::string &path : files_)
      g_unlink (path.c_str ());
    g_unlink ((folder_ + "/backoff").c_str ());
    g_rmdir (folder_.c_str ());
  }

  std::string write (const std::string &name, const std::string &text)
  {
    std::string path = folder_ + "/" + name;
    std::ofstream (path) << text;
    files_.push_back (path);
    return path;
  }

  static Outcome run (std::vector<std::string> arguments,
      const char *variable = nullptr, const std::string &value = "")
  {
    arguments.insert (arguments.begin (), RUN_PIPELINE);
    arguments.push_back (std::string ("--pipelines=") + PIPELINES_DIR);
    std::vector<char *> argv;
    for (std::string &argument : arguments)
      argv.push_back (argument.data ());
    argv.push_back (nullptr);
    gchar **env = g_environ_unsetenv (g_get_environ (), "RUNTIME_DIRECTORY");
    if (variable)
      env = g_environ_setenv (env, variable, value.c_str (), TRUE);
    gchar *out = nullptr;
    gchar *err = nullptr;
    int wait_status = 0;
    GError *error = nullptr;
    Outcome outcome;
    if (g_spawn_sync (nullptr, argv.data (), env, G_SPAWN_DEFAULT, nullptr,
            nullptr, &out, &err, &wait_status, &error)) {
      outcome.status = WIFEXITED (wait_status) ? WEXITSTATUS (wait_status) : -1;
      outcome.out = out;
      outcome.err = err;
    } else {
      ADD_FAILURE () << error->message;
      g_error_free (error);
    }
    g_free (out);
    g_free (err);
    g_strfreev (env);
    return outcome;
  }

  std::string conf (const std::string &source)
  {
    return write ("robot.conf", "[robot]\nid = r1\n[signaling]\n"
                                "server = ws://127.0.0.1:1\n[camera]\n"
                                "watchdog = 1\nsource = " +
                                    source + "\n");
  }

  std::string folder_;
  std::vector<std::string> files_;
};

TEST_F (Run, DryRunPrintsALineThatAShellReadsBack)
{
  std::string token = write ("robot.token", "eyJ.very.secret\n");
  std::string path = conf ("webcam-h264");
  std::ofstream (path, std::ios::app)
      << "[signaling]\ntoken-file = " << token << "\n";
  Outcome outcome = run ({"--dry-run", "--config=" + path});
  ASSERT_EQ (outcome.status, EX_OK) << outcome.err;
  EXPECT_EQ (
      outcome.out.find ("gst-launch-1.0 v4l2src device=/dev/video0 "), 0u)
      << outcome.out;
  EXPECT_NE (outcome.out.find (" ! video/x-h264,width=1280,height=720,"),
      std::string::npos)
      << outcome.out;
  EXPECT_NE (outcome.out.find ("token-file=" + token), std::string::npos);
  EXPECT_EQ ((outcome.out + outcome.err).find ("secret"), std::string::npos);
  gint argc = 0;
  EXPECT_TRUE (
      g_shell_parse_argv (outcome.out.c_str (), &argc, nullptr, nullptr));
  EXPECT_GT (argc, 10);
}

TEST_F (Run, TokenOfLoadCredentialIsFound)
{
  write ("robot.token", "x\n");
  Outcome outcome = run ({"--dry-run", "--config=" + conf ("webcam-h264")},
      "CREDENTIALS_DIRECTORY", folder_);
  EXPECT_NE (outcome.out.find ("token-file=" + folder_ + "/robot.token"),
      std::string::npos)
      << outcome.out;
}

TEST_F (Run, MistakesComeWithFileAndLine)
{
  std::string path = write ("robot.conf", "[camera]\nwdith = 640\nfps = x\n");
  Outcome outcome = run ({"--config=" + path});
  EXPECT_EQ (outcome.status, EX_CONFIG);
  EXPECT_NE (
      outcome.err.find (path + ":2: unknown key 'wdith'"), std::string::npos)
      << outcome.err;
  EXPECT_NE (outcome.err.find (path + ":3: 'fps'"), std::string::npos);
  EXPECT_EQ (outcome.out, "");
  outcome = run ({"--config=/nonexistent.conf"});
  EXPECT_EQ (outcome.status, EX_CONFIG);
  outcome = run ({"--no-such-option"});
  EXPECT_EQ (outcome.status, EX_USAGE);
}

TEST_F (Run, CheckAccepts)
{
  Outcome outcome = run ({"--check", "--config=" + conf ("auto")});
  EXPECT_EQ (outcome.status, EX_OK) << outcome.err;
  EXPECT_NE (outcome.out.find ("ok"), std::string::npos);
}

TEST_F (Run, RunsAPipelineOfTheOwnersOwnToItsEnd)
{
  std::string own = write ("own.launch",
      "# mine\nvideotestsrc num-buffers=3 ! ${WATCHDOG} ! filesink "
      "location=\"" +
          folder_ + "/out file\"\n");
  files_.push_back (folder_ + "/out file");
  Outcome outcome = run ({"--config=" + conf (own)});
  EXPECT_EQ (outcome.status, 0) << outcome.err;
  GStatBuf info = {};
  ASSERT_EQ (g_stat ((folder_ + "/out file").c_str (), &info), 0);
  EXPECT_GT (info.st_size, 0);
}

// The camera stops without a word: the pipeline must end by itself, with an
// exit status that makes systemd start it again.
TEST_F (Run, StalledCameraEndsThePipeline)
{
  std::string own = write ("own.launch",
      "videotestsrc is-live=true ! identity error-after=-1 name=camera ! "
      "valve drop=true ! ${WATCHDOG} ! fakesink\n");
  Outcome outcome = run ({"--config=" + conf (own)});
  EXPECT_EQ (outcome.status, 1) << outcome.err;
  EXPECT_NE (outcome.err.find ("Watchdog triggered"), std::string::npos)
      << outcome.err;
}

TEST_F (Run, LostCameraEndsThePipeline)
{
  std::string own = write ("own.launch",
      "videotestsrc is-live=true ! identity error-after=5 ! ${WATCHDOG} ! "
      "fakesink\n");
  EXPECT_EQ (run ({"--config=" + conf (own)}).status, 1);
}

TEST_F (Run, SaysThatNoCameraWorksAndWhy)
{
  std::string path = write ("robot.conf",
      "[robot]\nid = r1\n[signaling]\nserver = ws://127.0.0.1:1\n"
      "[camera]\ndevice = /nonexistent/video0\n");
  Outcome outcome = run ({"--config=" + path});
  EXPECT_EQ (outcome.status, EX_UNAVAILABLE);
  for (const char *part : {"robotlive-run-pipeline: no camera works", "missing",
           "there is no /nonexistent/video0"})
    EXPECT_NE (outcome.err.find (part), std::string::npos) << outcome.err;
}

// What stands in the journal of a robot that does not get to its server.
TEST_F (Run, SaysWhyTheServerIsNotReached)
{
  std::string own = write ("own.launch",
      "videotestsrc is-live=true num-buffers=40 ! openh264enc ! "
      "h264parse ! ${SINK}\n");
  std::string path = conf (own);
  std::string token = write ("robot.token", "x\n");
  std::ofstream (path, std::ios::app)
      << "[signaling]\ntoken-file = " << token << "\n";
  Outcome outcome = run ({"--config=" + path});
  EXPECT_EQ (outcome.status, 0) << outcome.err;
  EXPECT_NE (outcome.out.find ("Nothing listens at 127.0.0.1:1 (connection "
                               "refused)"),
      std::string::npos)
      << outcome.out;
  g_unlink (token.c_str ());
  outcome = run ({"--config=" + path});
  EXPECT_NE (outcome.status, 0);
  EXPECT_NE (
      outcome.err.find ("The token file cannot be read: "), std::string::npos)
      << outcome.err;
}

TEST_F (Run, FailuresInARowWait)
{
  std::string own = write (
      "own.launch", "videotestsrc ! identity error-after=1 ! fakesink\n");
  std::string path = conf (own);
  Outcome first = run ({"--config=" + path}, "RUNTIME_DIRECTORY", folder_);
  Outcome second = run ({"--config=" + path}, "RUNTIME_DIRECTORY", folder_);
  EXPECT_EQ (first.err.find ("starting again"), std::string::npos);
  EXPECT_NE (second.err.find ("starting again in 1 s"), std::string::npos)
      << second.err;
  EXPECT_EQ (second.status, 1) << "as gst-launch-1.0 ended";
}

// What has ended well is no failure, however often it ends.
TEST_F (Run, GoodEndsInARowDoNotWait)
{
  std::string own = write ("own.launch", "videotestsrc num-buffers=1 ! "
                                         "fakesink\n");
  std::string good = conf (own);
  for (int i = 0; i < 3; ++i) {
    Outcome outcome = run ({"--config=" + good}, "RUNTIME_DIRECTORY", folder_);
    EXPECT_EQ (outcome.status, 0);
    EXPECT_EQ (outcome.err.find ("starting again"), std::string::npos)
        << outcome.err;
  }
  // Nor does it leave a failure before it.
  write ("own.launch", "videotestsrc ! identity error-after=1 ! fakesink\n");
  run ({"--config=" + good}, "RUNTIME_DIRECTORY", folder_);
  write ("own.launch", "videotestsrc num-buffers=1 ! fakesink\n");
  run ({"--config=" + good}, "RUNTIME_DIRECTORY", folder_);
  EXPECT_EQ (run ({"--config=" + good}, "RUNTIME_DIRECTORY", folder_)
                 .err.find ("starting again"),
      std::string::npos);
}

// As systemd ends it: the signal reaches the pipeline, and neither stays.
TEST_F (Run, ASignalEndsBoth)
{
  std::string own = write ("own.launch",
      "videotestsrc is-live=true ! filesink location=" + folder_ + "/out\n");
  files_.push_back (folder_ + "/out");
  std::string path = conf (own);
  std::string config = "--config=" + path;
  std::string folder = std::string ("--pipelines=") + PIPELINES_DIR;
  for (const int signal : {SIGTERM, SIGINT}) {
    g_unlink ((folder_ + "/out").c_str ());
    const gchar *argv[] = {
        RUN_PIPELINE, config.c_str (), folder.c_str (), nullptr};
    gchar **env = g_environ_setenv (
        g_get_environ (), "RUNTIME_DIRECTORY", folder_.c_str (), TRUE);
    GPid pid = 0;
    ASSERT_TRUE (g_spawn_async (nullptr, const_cast<gchar **> (argv), env,
        GSpawnFlags (G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL |
                     G_SPAWN_STDOUT_TO_DEV_NULL),
        nullptr, nullptr, &pid, nullptr));
    g_strfreev (env);
    GStatBuf info = {};
    for (int i = 0; i < 6000 && info.st_size == 0; ++i) {
      g_usleep (10000);
      g_stat ((folder_ + "/out").c_str (), &info);
    }
    ASSERT_GT (info.st_size, 0) << "it runs";
    kill (pid, signal);
    int status = 0;
    ASSERT_EQ (waitpid (pid, &status, 0), pid);
    EXPECT_TRUE (WIFEXITED (status) || WTERMSIG (status) == signal);
    // The pipeline's process has gone: the file grows no more.
    g_stat ((folder_ + "/out").c_str (), &info);
    const auto size = info.st_size;
    g_usleep (500000);
    g_stat ((folder_ + "/out").c_str (), &info);
    EXPECT_EQ (info.st_size, size);
  }
}

TEST_F (Run, AWrongSourceNamesTheRightOnes)
{
  for (const char *mode : {"--dry-run", "--check", "--list"}) {
    Outcome outcome =
        run ({mode, "--config=" + conf ("auto"), "--source=webcam"});
    EXPECT_EQ (outcome.status, EX_CONFIG) << mode;
    EXPECT_NE (outcome.err.find ("there is no source 'webcam'; there are auto, "
                                 "file, pi-camera"),
        std::string::npos)
        << outcome.err;
  }
}

TEST_F (Run, ListTellsWhyAnEncoderWasNotTaken)
{
  Outcome outcome = run ({"--list", "--config=" + conf ("auto")});
  EXPECT_EQ (outcome.status, EX_OK) << outcome.err;
  EXPECT_NE (outcome.out.find ("x264enc       works"), std::string::npos)
      << outcome.out;
  EXPECT_NE (outcome.out.find ("v4l2h264enc"), std::string::npos);
  EXPECT_NE (outcome.out.find ("sources (--source): auto, file, pi-camera"),
      std::string::npos)
      << outcome.out;
}

} // namespace
