// Three services pass an order on, and their logs are put in order afterwards. No store is needed.
//
// Each service has a clock of its own, and sends its stamp along with each message, as the value of
// the header `lamport`. The receiver of a message moves its clock past that stamp. So a cause
// always comes before its effect, whatever the wall clocks of the machines say.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include <lamport_clock.hpp>

struct line {
    lamport::stamp stamp;
    std::string text;
};

class service {
  public:
    explicit service(const std::string &name) : clock_(name) {}

    // Does something. Returns the header for a message that tells of it.
    std::string does(const std::string &text) {
        log_.push_back({clock_.tick(), text});
        return log_.back().stamp.long_text();
    }

    // Does something because a message came.
    void receives(const std::string &header, const std::string &text) {
        const lamport::stamp message = lamport::stamp::parse(header);
        log_.push_back({clock_.receive(message), text});
    }

    const std::vector<line> &log() const { return log_; }

  private:
    lamport::local clock_;
    std::vector<line> log_;
};

int main() {
    try {
        service api("api"), billing("billing"), stock("stock");

        api.does("order 17 came in");
        billing.receives(api.does("asking billing"), "order 17 is paid");
        stock.receives(billing.does("asking stock"), "order 17 is packed");

        // The logs come together in any order.
        std::vector<line> lines;
        for (const service *one : {&stock, &billing, &api})
            lines.insert(lines.end(), one->log().begin(), one->log().end());
        std::sort(lines.begin(), lines.end(),
                  [](const line &a, const line &b) { return a.stamp < b.stamp; });
        for (const line &one : lines)
            std::cout << std::left << std::setw(11) << one.stamp.text() << one.text << '\n';
    } catch (const lamport::error &error) {
        // A broken header is refused with this exception too: a service reports it, and goes on
        // without the header.
        std::cerr << error.name() << ": " << error.what() << '\n';
        return 1;
    }
}
