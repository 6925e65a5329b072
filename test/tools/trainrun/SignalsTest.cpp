//===- SignalsTest.cpp - what counts as a second signal -------------------===//

#include "tools/trainrun/Signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace trainc::trainrun {
namespace {

TEST(SignalsTest, OneSignalMayComeTwice) {
  StopSignals signals;
  EXPECT_EQ(StopSignals::received(), 0);
  // As timeout(1) does: to its child, then to the group.
  raise(SIGINT);
  raise(SIGINT);
  EXPECT_EQ(StopSignals::received(), SIGINT);
}

TEST(SignalsTest, AnotherOneEndsTheProcess) {
  auto receive = [] {
    StopSignals signals;
    raise(SIGINT);
    raise(SIGTERM);
  };
  EXPECT_EXIT(receive(), testing::KilledBySignal(SIGTERM), "once more");
}

TEST(SignalsTest, TheSameOneLaterEndsTheProcess) {
  auto receive = [] {
    signal(SIGHUP, SIG_DFL); // nohup has it ignored
    StopSignals signals;
    raise(SIGHUP);
    usleep(600'000);
    raise(SIGHUP);
  };
  EXPECT_EXIT(receive(), testing::KilledBySignal(SIGHUP), "once more");
}

TEST(SignalsTest, HandlersAreThoseOfBeforeAfterwards) {
  auto receive = [] {
    signal(SIGINT, SIG_DFL); // shells have it ignored in the background
    {
      StopSignals signals;
    }
    raise(SIGINT);
  };
  EXPECT_EXIT(receive(), testing::KilledBySignal(SIGINT), "");
}

} // namespace
} // namespace trainc::trainrun
