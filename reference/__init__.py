"""Reference codec in torch: training, export, a second decoder, figures."""
