// One use of a typed variable per CASE; 0 is right, all others must not
// compile.
#include <tiny.h>

struct OtherPlan {
  static constexpr std::size_t size_bytes = 0;
  static const unsigned char *bytes() noexcept;
};

void use(tiny::Session &session) {
  constexpr auto table = tiny::parameters::transformer_wte_weight;
  static_assert(table.rank == 2 && table.extent(0) == 95 &&
                table.extent(1) == 32);
  static_assert(table.size_bytes == 95 * 32 * sizeof(float));
#if CASE == 0
  std::span<float, 95 * 32> weights = session.data(table);
  std::span<std::int32_t> ids = session.data(tiny::inputs::inputs);
  std::span<const double, 1> count =
      session.data(tiny::metrics::loss_causal_lm_count);
  weights[0] = static_cast<float>(ids[0] + count[0]);
  (void)session.run(tiny::programs::evaluate);
#elif CASE == 1 // another element type
  std::span<double> weights = session.data(table);
#elif CASE == 2 // another size
  std::span<float, 32 * 32> weights = session.data(table);
#elif CASE == 3 // a metric is not for writing
  session.data(tiny::metrics::loss_causal_lm_count)[0] = 1;
#elif CASE == 4 // a variable of another plan
  trainc::embed::Variable<OtherPlan, float, 95, 32> other{
      "transformer.wte.weight"};
  (void)session.data(other);
#elif CASE == 5 // a program of another plan
  (void)session.run(trainc::embed::Program<OtherPlan>{"evaluate"});
#elif CASE == 6 // a variable that the recipe does not have
  (void)session.data(tiny::parameters::transformer_wte_bias);
#elif CASE == 7 // a forgotten error
  session.run(tiny::programs::evaluate);
#endif
}
