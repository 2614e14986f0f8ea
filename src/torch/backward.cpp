// Backward passes on the host, run right here instead of by libtorch's engine.
//
// The engine is made for devices and threads: for every node it takes a lock, copies
// the thread's state twice and asks for streams, which for small models costs more than
// the nodes themselves. This is the same algorithm without that: nodes are counted,
// then run from the root on, those that were recorded last first, so sums of gradients
// are made in the engine's order and every result has its bits.
//
// A graph that asks for more (another device, hooks, complex numbers, second
// derivatives, anomaly mode) is left to the engine. Nodes and edges do not change while
// a pass runs, and the root keeps them alive.

#include "torch/internal.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/ExpandUtils.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

namespace mmt
{
namespace
{

using torch::autograd::Node;
using torch::autograd::variable_list;

// Not every release has these.
template <class N> bool has_tensor_hooks(N &node)
{
    if constexpr (requires { node.tensor_pre_hooks().empty(); }) {
        if (!node.tensor_pre_hooks().empty()) {
            return true;
        }
    }
    if constexpr (requires { node.retains_grad_hooks().empty(); }) {
        if (!node.retains_grad_hooks().empty()) {
            return true;
        }
    }
    if constexpr (requires { node.tensor_post_acc_grad_hooks() == nullptr; }) {
        return node.tensor_post_acc_grad_hooks() != nullptr;
    }
    return false;
}

template <class M> opt<at::ScalarType> expected_type(const M &metadata)
{
    if constexpr (requires { metadata.grad_dtype(); }) {
        return metadata.was_default_constructed() ? opt<at::ScalarType>()
                                                  : metadata.grad_dtype();
    } else {
        return c10::typeMetaToScalarType(metadata.dtype());
    }
}

template <class N> void before_release(N &node)
{
    if constexpr (requires { node.will_release_variables(); }) {
        node.will_release_variables();
    }
}

bool is_plain(Node &node)
{
    if (!node.pre_hooks().empty() || !node.post_hooks().empty() ||
        has_tensor_hooks(node)) {
        return false;
    }
    for (uint32_t i = 0; i < node.num_inputs(); ++i) {
        const auto &metadata = node.input_metadata(i);

        if (!metadata.device().is_cpu() ||
            c10::isComplexType(c10::typeMetaToScalarType(metadata.dtype()))) {
            return false;
        }
    }
    return true;
}

// A node and the gradients that have reached it.
struct visit {
    Node *node;
    uint32_t waits; // edges that have not brought theirs yet
    variable_list grads;
};

bool is_ours_alone(const at::Tensor &x)
{
    return x.layout() == c10::kStrided && x.is_non_overlapping_and_dense() &&
           x.use_count() == 1 && x.has_storage() && x.storage().use_count() == 1;
}

void accumulate(at::Tensor &sum, at::Tensor &&grad)
{
    if (!sum.defined()) {
        sum = std::move(grad);
    } else if (grad.layout() == c10::kStrided && is_ours_alone(sum)) {
        sum.add_(grad);
    } else {
        sum = at::add(sum, grad);
    }
}

// What the engine checks of each gradient: sizes that were broadcast are summed up
// again, other types are converted.
template <class M> void fit(at::Tensor &grad, const M &metadata)
{
    if (!metadata.is_same_shape(grad)) {
        if (!metadata.is_expandable_to_shape(grad)) {
            throw refusal(MM_ESHAPE, "a node of the graph returned a gradient " +
                                         describe(lend(grad)) + " of other sizes");
        }
        grad = metadata.reduce_grad(grad);
    }
    auto type = expected_type(metadata);

    if (type && grad.scalar_type() != *type) {
        grad = grad.to(*type);
    }
    if (!grad.device().is_cpu()) {
        throw refusal(MM_ETORCH, "a node of the graph returned a gradient " +
                                     describe(lend(grad)) + " that left the host");
    }
}

// What a pass writes to. Blocks of this size are slow to get and to give back, so each
// thread keeps those of its last pass.
struct notes {
    std::vector<visit> visits;
    std::vector<uint32_t> table; // open addressing; its size is a power of two
    std::vector<uint32_t> ready; // a heap of places in `visits`
};

thread_local std::unique_ptr<notes> spare_notes;

class pass
{
  public:
    explicit pass(bool retain_graph)
        : retain_graph_(retain_graph),
          notes_(spare_notes ? std::move(spare_notes) : std::make_unique<notes>()),
          visits_(notes_->visits), table_(notes_->table), ready_(notes_->ready)
    {
        visits_.reserve(usual_size);
        table_.assign(4 * usual_size, 0);
    }

    pass(const pass &) = delete;
    pass &operator=(const pass &) = delete;

    ~pass()
    {
        visits_.clear();
        ready_.clear();
        if (visits_.capacity() <= most_kept) {
            spare_notes = std::move(notes_);
        }
    }

    // Finds all nodes below `root` and counts their edges. False: not for us.
    bool discover(Node *root)
    {
        if (!enter(root)) {
            return false;
        }
        for (size_t i = 0; i < visits_.size(); ++i) { // grows on the way
            for (const auto &edge : visits_[i].node->next_edges()) {
                if (edge.is_valid() && !enter(edge.function.get())) {
                    return false;
                }
            }
        }
        return true;
    }

    void run(uint32_t input, at::Tensor &&grad)
    {
        bring(visits_[0], input, std::move(grad));
        ready_.push_back(0);
        while (!ready_.empty()) {
            std::pop_heap(ready_.begin(), ready_.end(), earlier{visits_});
            uint32_t index = ready_.back();

            ready_.pop_back();
            step(visits_[index]);
        }
    }

  private:
    static constexpr size_t usual_size = 64;
    static constexpr size_t most_kept = 1 << 16; // nodes of a large model

    // Recorded earlier, to be run later.
    struct earlier {
        const std::vector<visit> &visits;
        bool operator()(uint32_t a, uint32_t b) const
        {
            return visits[a].node->sequence_nr() < visits[b].node->sequence_nr();
        }
    };

    // The place of a node in `visits_` plus one, or an empty slot.
    uint32_t &slot(const Node *node)
    {
        size_t mask = table_.size() - 1;
        size_t at = ((uintptr_t)node >> 4) * 0x9e3779b97f4a7c15u >> 20;

        while (table_[at & mask] != 0 && visits_[table_[at & mask] - 1].node != node) {
            ++at;
        }
        return table_[at & mask];
    }

    void grow()
    {
        table_.assign(2 * table_.size(), 0);
        for (size_t i = 0; i < visits_.size(); ++i) {
            slot(visits_[i].node) = (uint32_t)i + 1;
        }
    }

    // Counts one edge to `node`.
    bool enter(Node *node)
    {
        uint32_t &place = slot(node);

        if (place != 0) {
            visits_[place - 1].waits++;
            return true;
        }
        if (!is_plain(*node)) {
            return false;
        }
        visits_.push_back({node, 1, {}});
        place = (uint32_t)visits_.size();
        if (4 * visits_.size() > 3 * table_.size()) {
            grow();
        }
        return true;
    }

    static void bring(visit &to, uint32_t input, at::Tensor &&grad)
    {
        if (to.grads.empty()) {
            to.grads.resize(to.node->num_inputs());
        }
        if (grad.defined()) {
            accumulate(to.grads[input], std::move(grad));
        }
    }

    void step(visit &at)
    {
        Node &node = *at.node;
        const auto &edges = node.next_edges();

        if (!retain_graph_) {
            before_release(node);
        }
        variable_list grads = node(std::move(at.grads));

        if (!retain_graph_) {
            node.release_variables();
        }
        if (grads.size() != edges.size()) {
            throw refusal(MM_ETORCH,
                          "node '" + node.name() + "' of the graph returned " +
                              std::to_string(grads.size()) + " gradients, expected " +
                              std::to_string(edges.size()));
        }
        for (size_t i = 0; i < edges.size(); ++i) {
            if (edges[i].is_valid()) {
                pass_on(edges[i], std::move(grads[i]));
            }
        }
    }

    template <class Edge> void pass_on(const Edge &edge, at::Tensor &&grad)
    {
        uint32_t index = slot(edge.function.get()) - 1;
        visit &to = visits_[index];

        if (grad.defined()) {
            fit(grad, to.node->input_metadata(edge.input_nr));
        }
        bring(to, edge.input_nr, std::move(grad));
        if (--to.waits == 0) {
            ready_.push_back(index);
            std::push_heap(ready_.begin(), ready_.end(), earlier{visits_});
        }
    }

    bool retain_graph_;
    std::unique_ptr<notes> notes_;
    std::vector<visit> &visits_;
    std::vector<uint32_t> &table_;
    std::vector<uint32_t> &ready_;
};

// Ones of the root's sizes, which are those of a number here.
at::Tensor seed_of(const at::Tensor &root)
{
    if (root.scalar_type() != at::kFloat || root.dim() != 0) {
        return at::ones_like(root, c10::MemoryFormat::Contiguous);
    }
    at::Tensor one = at::empty({}, root.options().requires_grad(false));

    *static_cast<float *>(one.data_ptr()) = 1.0F;
    return one;
}

} // namespace

bool backward_here(const at::Tensor &root, bool retain_graph)
{
    const auto &edge = torch::autograd::impl::gradient_edge(root);

    if (root.numel() != 1 || !root.device().is_cpu() ||
        root.layout() != c10::kStrided || !root.grad_fn() ||
        torch::autograd::AnomalyMode::is_enabled()) {
        return false;
    }
    auto keep = edge.function; // the graph lives until the end
    pass here(retain_graph);

    if (!here.discover(keep.get())) {
        return false;
    }
    c10::AutoGradMode off(false);
    here.run(edge.input_nr, seed_of(root));
    return true;
}

} // namespace mmt
