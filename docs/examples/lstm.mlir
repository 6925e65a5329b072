// A long short-term memory (Hochreiter and Schmidhuber 1997, with forget gates) as the model of a recipe:
// token ids [8, 32] → hidden states [8, 32, 64]. Names, layouts and the order of gates (input, forget, cell, output)
// are those of PyTorch's nn.Embedding and nn.LSTM.

module {
  train.parameter @embedding.weight normal : tensor<256x64xf32> {external_name = "embedding.weight", scale = 0.1}
  train.parameter @lstm.weight_ih_l0 uniform : tensor<256x64xf32> {external_name = "lstm.weight_ih_l0", offset = -0.125, scale = 0.25}
  train.parameter @lstm.weight_hh_l0 uniform : tensor<256x64xf32> {external_name = "lstm.weight_hh_l0", offset = -0.125, scale = 0.25}
  train.parameter @lstm.bias_ih_l0 uniform : tensor<256xf32> {external_name = "lstm.bias_ih_l0", offset = -0.125, scale = 0.25, decay = false}
  train.parameter @lstm.bias_hh_l0 uniform : tensor<256xf32> {external_name = "lstm.bias_hh_l0", offset = -0.125, scale = 0.25, decay = false}

  train.step @phi ["inputs"] {
  ^bb0(%ids: tensor<8x32xi32>):
    %table = train.read @embedding.weight : tensor<256x64xf32>
    %w_ih = train.read @lstm.weight_ih_l0 : tensor<256x64xf32>
    %w_hh = train.read @lstm.weight_hh_l0 : tensor<256x64xf32>
    %b_ih = train.read @lstm.bias_ih_l0 : tensor<256xf32>
    %b_hh = train.read @lstm.bias_hh_l0 : tensor<256xf32>

    // Time comes first. What needs no state is computed for all positions at once: the larger half of the work.
    %order = nn.transpose %ids [1, 0] : tensor<8x32xi32> -> tensor<32x8xi32>
    %words = nn.embedding %table, %order : tensor<256x64xf32>, tensor<32x8xi32> -> tensor<32x8x64xf32>
    %rows = nn.reshape %words : tensor<32x8x64xf32> -> tensor<256x64xf32>
    %product = nn.matmul %rows, %w_ih transpose_rhs : tensor<256x64xf32>, tensor<256x64xf32> -> tensor<256x256xf32>
    %bias = nn.add %b_ih, %b_hh : tensor<256xf32>
    %biases = nn.broadcast %bias [1] : tensor<256xf32> -> tensor<256x256xf32>
    %shifted = nn.add %product, %biases : tensor<256x256xf32>
    %gates = nn.reshape %shifted : tensor<256x256xf32> -> tensor<32x8x256xf32>

    %zero = nn.constant dense<0.0> : tensor<8x64xf32>
    %hidden, %cells = nn.scan over (%gates : tensor<32x8x256xf32>)
        from (%zero, %zero : tensor<8x64xf32>, tensor<8x64xf32>) with (%w_hh : tensor<256x64xf32>) {
    ^bb0(%x: tensor<8x256xf32>, %h: tensor<8x64xf32>, %c: tensor<8x64xf32>, %w: tensor<256x64xf32>):
      %recurrent = nn.matmul %h, %w transpose_rhs : tensor<8x64xf32>, tensor<256x64xf32> -> tensor<8x256xf32>
      %sum = nn.add %x, %recurrent : tensor<8x256xf32>
      %i_sum, %f_sum, %g_sum, %o_sum = nn.split %sum
          : tensor<8x256xf32> -> tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32>, tensor<8x64xf32>
      %i = nn.sigmoid %i_sum : tensor<8x64xf32>
      %f = nn.sigmoid %f_sum : tensor<8x64xf32>
      %g = nn.tanh %g_sum : tensor<8x64xf32>
      %o = nn.sigmoid %o_sum : tensor<8x64xf32>
      %kept = nn.mul %f, %c : tensor<8x64xf32>
      %added = nn.mul %i, %g : tensor<8x64xf32>
      %c_next = nn.add %kept, %added : tensor<8x64xf32>
      %squashed = nn.tanh %c_next : tensor<8x64xf32>
      %h_next = nn.mul %o, %squashed : tensor<8x64xf32>
      nn.yield %h_next, %c_next : tensor<8x64xf32>, tensor<8x64xf32>
    } -> states (tensor<32x8x64xf32>, tensor<32x8x64xf32>)

    %back = nn.transpose %hidden [1, 0, 2] : tensor<32x8x64xf32> -> tensor<8x32x64xf32>
    train.output "hidden_states" %back : tensor<8x32x64xf32>
  }
}
