//===- ReferenceTest.cpp - docs/reference/recipe.md is what the code says -===//

#include "compiler/recipe/Sections.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <gtest/gtest.h>

#include <cstdlib>

using namespace trainc;

namespace {

// TRAINC_UPDATE_GOLDEN=1 writes the page instead of comparing it.
TEST(RecipeReference, PageIsCurrent) {
  std::string expected = recipe::recipeReference();
  if (std::getenv("TRAINC_UPDATE_GOLDEN"))
    test::writeText(TRAINC_REFERENCE, expected);
  EXPECT_EQ(test::readText(TRAINC_REFERENCE), expected)
      << "run recipe-tests once with TRAINC_UPDATE_GOLDEN=1";
}

TEST(RecipeReference, EveryKeyHasHelp) {
  auto expectHelp = [](const std::vector<models::Key> &keys) {
    for (const models::Key &key : keys)
      EXPECT_FALSE(key.help.empty()) << key.name;
  };
  for (const std::string &section : recipe::sectionNames())
    expectHelp(recipe::commonKeys(section));
  for (const models::Family &entry : models::families())
    expectHelp(entry.keys);
  for (const models::Objective &entry : models::objectives())
    expectHelp(entry.keys);
  for (const models::Optimizer &entry : models::optimizers())
    expectHelp(entry.keys);
  for (const models::Schedule &entry : models::schedules())
    expectHelp(entry.keys);
}

} // namespace
