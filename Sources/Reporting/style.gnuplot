# What all charts share. Colours are codes that the page's style sheet gives a meaning (Gnuplot.swift).
set encoding utf8
set terminal svg size {{width}},{{height}} dynamic font ',{{fontSize}}' noenhanced butt linewidth 1
set datafile missing 'NaN'
set border 3 linewidth 0.8 linecolor rgb '{{axis}}'
set tics nomirror scale 0.5 textcolor rgb '{{axis}}'
set grid ytics linetype 1 linewidth 0.6 linecolor rgb '{{grid}}', linetype 1 linecolor rgb '{{grid}}'
set style fill solid 1 noborder
unset key
set xrange [{{xLow}}:{{xHigh}}]
set yrange [{{yLow}}:{{yHigh}}]
set format y '{{yFormat}}'
{{#hasStep}}
set ytics {{yStep}}
{{/hasStep}}
set xlabel '{{xLabel}}' textcolor rgb '{{axis}}'
set ylabel '{{yLabel}}' textcolor rgb '{{axis}}' offset 1,0
{{#hasTics}}
set xtics ({{#tics}}'{{label}}' {{place}}{{^last()}}, {{/last()}}{{/tics}})
{{/hasTics}}
{{#separators}}
set arrow from first {{.}}, graph 0 to first {{.}}, graph 1 nohead linewidth 0.6 linecolor rgb '{{grid}}' back
{{/separators}}
{{#marks}}
set arrow from {{x1}}, {{y1}} to {{x2}}, {{y2}} nohead linewidth 1.2 dashtype (6,4) linecolor rgb '{{colour}}'
{{/marks}}
