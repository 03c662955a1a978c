# Lines and points: one block of data per series, with x, y, and how low and how high its runs lie.
{{> style}}
set errorbars 0.5
{{#isRows}}
set ytics ({{#rows}}'{{label}}' {{place}}{{^last()}}, {{/last()}}{{/rows}})
set yrange [{{yHigh}}:{{yLow}}]
set grid xtics noytics
{{/isRows}}
{{#hasXScale}}
set xtics {{xStep}}
{{/hasXScale}}
set format x '{{xFormat}}'
{{#series}}
$series{{number}} << EOD
{{#points}}
{{.}}
{{/points}}
EOD
{{/series}}
plot {{#series}}{{#hasBand}}$series{{number}} using 1:3:4 with filledcurves fillstyle transparent solid 0.12 noborder linecolor rgb '{{colour}}', \
  {{/hasBand}}$series{{number}} using {{drawnAs}} linewidth {{lineWidth}} dashtype {{dashType}} pointtype {{pointType}} pointsize {{pointSize}} linecolor rgb '{{colour}}'{{^last()}}, \
  {{/last()}}{{/series}}
